/** Classic BPF programs for tests: struct sock_filter records from [code, jt, jf, k]. */
export type Instruction = readonly [code: number, jt: number, jf: number, k: number];

export function program(...instructions: readonly Instruction[]): Uint8Array {
  const b = new Uint8Array(instructions.length * 8);
  const v = new DataView(b.buffer);
  for (const [i, [code, jt, jf, k]] of instructions.entries()) {
    v.setUint16(i * 8, code, true);
    b[i * 8 + 2] = jt;
    b[i * 8 + 3] = jf;
    v.setUint32(i * 8 + 4, k >>> 0, true);
  }
  return b;
}

export const ret = (k: number): Instruction => [0x06, 0, 0, k];
export const RET_A: Instruction = [0x16, 0, 0, 0];
export const AD_OFF = 0xfffff000;
export const NET_OFF = 0xfff00000;
export const LL_OFF = 0xffe00000;
