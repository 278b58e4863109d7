/** The sysctls of congestion control: names, lists, what may not be. */
import { describe, expect, it } from 'vitest';
import { SysctlTable } from '../../../stack/core/sysctl.js';

const NET = 'net.ipv4.tcp_';

describe('congestion control sysctls', () => {
  it('show the default, what there is and what is allowed, in the order of Linux', () => {
    const t = new SysctlTable();
    expect(t.get(`${NET}congestion_control`)).toBe('cubic');
    expect(t.get(`${NET}available_congestion_control`)).toBe('reno cubic bbr dctcp');
    expect(t.get(`${NET}allowed_congestion_control`)).toBe('reno cubic bbr');
  });

  it('take names that exist; nothing is changed by others', () => {
    const t = new SysctlTable();
    expect(t.set(`${NET}congestion_control`, 'bbr')).toBe(true);
    for (const bad of ['vegas', '', 'reno cubic', '1']) expect(t.set(`${NET}congestion_control`, bad)).toBe(false);
    expect(t.get(`${NET}congestion_control`)).toBe('bbr');
    expect(t.set(`${NET}allowed_congestion_control`, 'bbr  reno')).toBe(true);
    expect(t.get(`${NET}allowed_congestion_control`)).toBe('reno bbr');
    expect(t.set(`${NET}allowed_congestion_control`, 'reno vegas')).toBe(false);
    expect(t.get(`${NET}allowed_congestion_control`)).toBe('reno bbr');
    expect(t.set(`${NET}allowed_congestion_control`, '')).toBe(true);
    expect(t.get(`${NET}allowed_congestion_control`)).toBe('');
  });

  it('a new default is allowed from then on', () => {
    const t = new SysctlTable();
    t.set(`${NET}allowed_congestion_control`, 'reno');
    t.set(`${NET}congestion_control`, 'bbr');
    expect(t.get(`${NET}allowed_congestion_control`)).toBe('reno bbr');
  });

  it('what is available cannot be set', () => {
    const t = new SysctlTable();
    for (const v of ['reno', 'reno cubic bbr', '']) expect(t.set(`${NET}available_congestion_control`, v)).toBe(false);
    expect(t.get(`${NET}available_congestion_control`)).toBe('reno cubic bbr dctcp');
  });
});
