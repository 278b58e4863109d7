/**
 * Classic BPF (McCanne and Jacobson, The BSD Packet Filter, 1993) as SO_ATTACH_FILTER has it: an accumulator A, an index X, sixteen words of
 * memory, and jumps that only go forward, so that every program ends. A program says how many bytes of a segment or datagram the socket may
 * see, counted from the transport header; 0: none, it is dropped.
 *
 * Linux checks a program when it is attached, so that running it needs no checks but those of the packet's bounds, where a program ends with
 * 0; so does a division by an X of 0. Negative offsets are Linux's: facts about the packet (SKF_AD_OFF), its network header (SKF_NET_OFF) and its
 * link header (SKF_LL_OFF). Facts that this stack does not have (queue, CPU, hash, VLAN, netlink attributes) read 0.
 */
import { LinkType, type Packet } from '../core/packet.js';
import type { Random } from '../core/random.js';

/** struct sock_filter: code, two jump distances, operand. */
const INSTRUCTION_BYTES = 8;
const MAX_INSTRUCTIONS = 4096;
const MEMORY_WORDS = 16;
const WORD_BITS = 32;

const Class = Object.freeze({ LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, RET: 6, MISC: 7 });
/** LD's and LDX's modes and sizes. */
const Mode = Object.freeze({ IMM: 0x00, ABS: 0x20, IND: 0x40, MEM: 0x60, LEN: 0x80, MSH: 0xa0 });
const SIZE_HALF = 0x08;
const SIZE_BYTE = 0x10;
/** The operand is X, not the constant. */
const FROM_X = 0x08;
const Alu = Object.freeze({ ADD: 0, SUB: 1, MUL: 2, DIV: 3, OR: 4, AND: 5, LSH: 6, RSH: 7, NEG: 8, MOD: 9, XOR: 10 });
const Jump = Object.freeze({ JA: 0, JEQ: 1, JGT: 2, JGE: 3, JSET: 4 });
const RET_K = 0x06;
const RET_A = 0x16;
const TAX = 0x07;
const TXA = 0x87;
const LDX_LEN = Class.LDX | Mode.LEN;
const LDX_MSH = Class.LDX | Mode.MSH | SIZE_BYTE;

/** Where Linux has put what is not in the packet: as signed offsets. */
const AD_OFF = -0x1000;
const NET_OFF = -0x100000;
const LL_OFF = -0x200000;
const Fact = Object.freeze({ protocol: 0, packetType: 4, ifindex: 8, hardware: 28, xorX: 40, payload: 52, random: 56 });
/** SKF_AD_*: every fourth number up to the VLAN's TPID. */
const LAST_FACT = 60;

const ETHERTYPE4 = 0x0800;
const ETHERTYPE6 = 0x86dd;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

const isLoad = (mode: number, size: number): boolean => mode <= Mode.IND && mode !== Mode.IMM && size <= SIZE_BYTE;
const codes: ReadonlySet<number> = new Set([
  ...[Mode.ABS, Mode.IND].flatMap((m) => [0, SIZE_HALF, SIZE_BYTE].map((size) => Class.LD | m | size)),
  ...[Mode.IMM, Mode.MEM, Mode.LEN].flatMap((m) => [Class.LD | m, Class.LDX | m]),
  LDX_MSH,
  Class.ST,
  Class.STX,
  ...Object.values(Alu).flatMap((op) =>
    op === Alu.NEG ? [Class.ALU | (op << 4)] : [0, FROM_X].map((x) => Class.ALU | (op << 4) | x),
  ),
  Class.JMP,
  ...[Jump.JEQ, Jump.JGT, Jump.JGE, Jump.JSET].flatMap((op) => [0, FROM_X].map((x) => Class.JMP | (op << 4) | x)),
  RET_K,
  RET_A,
  TAX,
  TXA,
]);

/** Bits of a load that could not be done: the program ends with 0. */
const NOTHING = -1;

export class SocketFilter {
  /** As it was attached. */
  readonly program: Uint8Array;
  private readonly code: Uint16Array;
  private readonly jt: Uint8Array;
  private readonly jf: Uint8Array;
  private readonly k: Uint32Array;
  private readonly memory = new Uint32Array(MEMORY_WORDS);
  private readonly random: Random;

  private constructor(program: Uint8Array, random: Random) {
    const n = program.length / INSTRUCTION_BYTES;
    const v = new DataView(program.buffer, program.byteOffset, program.length);
    this.program = program;
    this.random = random;
    this.code = new Uint16Array(n);
    this.jt = new Uint8Array(n);
    this.jf = new Uint8Array(n);
    this.k = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      const at = i * INSTRUCTION_BYTES;
      this.code[i] = v.getUint16(at, true);
      this.jt[i] = program[at + 2]!;
      this.jf[i] = program[at + 3]!;
      this.k[i] = v.getUint32(at + 4, true);
    }
  }

  /** A program of struct sock_filter records (little-endian); null when Linux would refuse it. */
  static from(bytes: Uint8Array, random: Random): SocketFilter | null {
    const n = bytes.length / INSTRUCTION_BYTES;
    if (!Number.isInteger(n) || n < 1 || n > MAX_INSTRUCTIONS) return null;
    const f = new SocketFilter(bytes.slice(), random);
    return f.isSound() && f.readsWhatWasWritten() ? f : null;
  }

  // --- the check

  /** Every instruction is one, jumps stay inside, divisors and shifts are good, and the last instruction returns. */
  private isSound(): boolean {
    const n = this.code.length;
    for (let pc = 0; pc < n; pc++) if (!this.isGood(pc, n - pc - 1)) return false;
    const last = this.code[n - 1];
    return last === RET_K || last === RET_A;
  }

  private isGood(pc: number, behind: number): boolean {
    const code = this.code[pc]!;
    const k = this.k[pc]!;
    if (!codes.has(code)) return false;
    switch (code & 7) {
      case Class.ALU:
        if (code & FROM_X) return true;
        if (code >> 4 === Alu.DIV || code >> 4 === Alu.MOD) return k !== 0;
        return (code >> 4 !== Alu.LSH && code >> 4 !== Alu.RSH) || k < WORD_BITS;
      case Class.ST:
      case Class.STX:
        return k < MEMORY_WORDS;
      case Class.JMP:
        return code === Class.JMP ? k < behind : this.jt[pc]! < behind && this.jf[pc]! < behind;
      case Class.LD:
      case Class.LDX: {
        const mode = code & 0xe0;
        if (mode === Mode.MEM) return k < MEMORY_WORDS;
        if (mode !== Mode.ABS || (k | 0) >= 0 || (k | 0) < AD_OFF) return true;
        const fact = (k | 0) - AD_OFF;
        return fact <= LAST_FACT && fact % 4 === 0;
      }
      default:
        return true;
    }
  }

  /** No word of memory is read on any way on which it was not written before. */
  private readsWhatWasWritten(): boolean {
    const n = this.code.length;
    const known = new Uint16Array(n).fill(0xffff);
    let written = 0;
    for (let pc = 0; pc < n; pc++) {
      written &= known[pc]!;
      const code = this.code[pc]!;
      const kind = code & 7;
      const bit = 1 << (this.k[pc]! & (MEMORY_WORDS - 1));
      if (kind === Class.ST || kind === Class.STX) written |= bit;
      else if ((kind === Class.LD || kind === Class.LDX) && (code & 0xe0) === Mode.MEM) {
        if ((written & bit) === 0) return false;
      } else if (kind === Class.JMP) {
        if (code === Class.JMP) known[pc + 1 + this.k[pc]!]! &= written;
        else {
          known[pc + 1 + this.jt[pc]!]! &= written;
          known[pc + 1 + this.jf[pc]!]! &= written;
        }
        written = 0xffff;
      }
    }
    return true;
  }

  // --- running

  /** What the program says of the packet whose first byte is at `base`: an unsigned number. */
  run(p: Packet, base: number): number {
    const { code, k, memory } = this;
    let a = 0;
    let x = 0;
    for (let pc = 0; ; pc++) {
      const c = code[pc]!;
      const operand = k[pc]!;
      switch (c & 7) {
        case Class.LD: {
          const mode = c & 0xe0;
          if (isLoad(mode, c & 0x18)) {
            const v = this.load(p, base, c, mode === Mode.IND ? (x + operand) | 0 : operand | 0, a, x);
            if (v === NOTHING) return 0;
            a = v;
          } else a = mode === Mode.IMM ? operand : mode === Mode.MEM ? memory[operand]! : p.tail - base;
          break;
        }
        case Class.LDX:
          if (c === LDX_MSH) {
            const v = this.bytes(p, base, operand | 0, 1);
            if (v === NOTHING) return 0;
            x = (v & 15) << 2;
          } else x = c === Class.LDX ? operand : c === LDX_LEN ? p.tail - base : memory[operand]!;
          break;
        case Class.ST:
          memory[operand] = a;
          break;
        case Class.STX:
          memory[operand] = x;
          break;
        case Class.ALU: {
          const by = c & FROM_X ? x : operand;
          if (by === 0 && (c >> 4 === Alu.DIV || c >> 4 === Alu.MOD)) return 0;
          a = calculate(c >> 4, a, by);
          break;
        }
        case Class.JMP:
          if (c === Class.JMP) pc += operand;
          else pc += holds(c >> 4, a, c & FROM_X ? x : operand) ? this.jt[pc]! : this.jf[pc]!;
          break;
        case Class.RET:
          return c === RET_A ? a : operand;
        default:
          if (c === TAX) x = a;
          else a = x;
      }
    }
  }

  /** A load into A; NOTHING out of bounds. Only a constant offset can mean a fact. */
  private load(p: Packet, base: number, code: number, offset: number, a: number, x: number): number {
    if (offset >= AD_OFF && offset < 0 && (code & 0xe0) === Mode.ABS) return this.fact(p, base, offset - AD_OFF, a, x);
    return this.bytes(p, base, offset, code & SIZE_BYTE ? 1 : code & SIZE_HALF ? 2 : 4);
  }

  private bytes(p: Packet, base: number, offset: number, size: number): number {
    let at = base + offset;
    if (offset < 0) {
      if (offset >= NET_OFF) at = p.network + offset - NET_OFF;
      else if (offset >= LL_OFF) at = p.mac + offset - LL_OFF;
      else return NOTHING;
    }
    if (at + size > p.tail) return NOTHING;
    if (size === 1) return p.bytes[at]!;
    return size === 2 ? p.view.getUint16(at) : p.view.getUint32(at);
  }

  private fact(p: Packet, base: number, fact: number, a: number, x: number): number {
    switch (fact) {
      case Fact.protocol:
        return p.family === 4 ? ETHERTYPE4 : ETHERTYPE6;
      case Fact.packetType:
        return p.linkType === LinkType.host ? 0 : p.linkType;
      case Fact.ifindex:
        return p.device ? p.device.index : NOTHING;
      case Fact.hardware:
        return p.device ? (p.device.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER) : NOTHING;
      case Fact.xorX:
        return (a ^ x) >>> 0;
      case Fact.payload:
        return p.payload - base;
      case Fact.random:
        return this.random.u32();
      default:
        return 0;
    }
  }
}

function calculate(op: number, a: number, by: number): number {
  switch (op) {
    case Alu.ADD:
      return (a + by) >>> 0;
    case Alu.SUB:
      return (a - by) >>> 0;
    case Alu.MUL:
      return Math.imul(a, by) >>> 0;
    case Alu.DIV:
      return Math.floor(a / by);
    case Alu.MOD:
      return a % by;
    case Alu.OR:
      return (a | by) >>> 0;
    case Alu.AND:
      return (a & by) >>> 0;
    case Alu.XOR:
      return (a ^ by) >>> 0;
    case Alu.LSH:
      return (a << by) >>> 0;
    case Alu.RSH:
      return a >>> by;
    default:
      return -a >>> 0;
  }
}

function holds(op: number, a: number, by: number): boolean {
  if (op === Jump.JEQ) return a === by;
  if (op === Jump.JGT) return a > by;
  return op === Jump.JGE ? a >= by : (a & by) !== 0;
}
