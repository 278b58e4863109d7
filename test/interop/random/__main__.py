#!/usr/bin/env python3
"""Random packets to a kernel and to the stack, and what moved in each: the parity oracle's command with scenarios made from seeds.

    python3 test/interop/random ORACLE/parity [--seeds N] OPTION ...

OPTION: as parity.py has them; --only 'segments4_*' and the like choose. README.md says what there is and how to look at a difference.
"""
import os, sys

oracle = os.path.abspath(sys.argv[1])
sys.path.insert(0, oracle)
sys.path.insert(1, os.path.dirname(os.path.abspath(__file__)))
seeds = 100
rest = sys.argv[2:]
if '--seeds' in rest:
    at = rest.index('--seeds')
    seeds = int(rest[at + 1])
    del rest[at:at + 2]
sys.argv = ['parity.py', *rest]

import parity, scenarios
import packets4, packets6, segments, states, step

step.read_counters = parity.parse
for name, play in (('segments4', segments.play), ('states4', states.play), ('packets4', packets4.play), ('packets6', packets6.play)):
    for seed in range(seeds):
        scenarios.ALL['%s_%03d' % (name, seed)] = (step.seeded(play, seed), {})
parity.main()
