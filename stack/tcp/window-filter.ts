/**
 * The best of the last `window` of time in three samples (Kathleen Nichols' windowed filter): the best, the best since that one, and the best
 * since the second. When the best expires, the others move up.
 */
export class MaxFilter {
  protected v0 = 0;
  private v1 = 0;
  private v2 = 0;
  private t0 = 0;
  private t1 = 0;
  private t2 = 0;

  get value(): number {
    return this.v0;
  }

  reset(t: number, v: number): void {
    this.v0 = this.v1 = this.v2 = v;
    this.t0 = this.t1 = this.t2 = t;
  }

  update(window: number, t: number, v: number): void {
    if (v >= this.v0 || t - this.t2 > window) {
      this.reset(t, v);
      return;
    }
    if (v >= this.v1) {
      this.v1 = this.v2 = v;
      this.t1 = this.t2 = t;
    } else if (v >= this.v2) {
      this.v2 = v;
      this.t2 = t;
    }
    this.age(window, t, v);
  }

  /** Lets the best sample expire, and keeps the second and the third from the same part of the window as the one before it. */
  private age(window: number, t: number, v: number): void {
    const age = t - this.t0;
    if (age > window) {
      this.moveUp(t, v);
      if (t - this.t0 > window) this.moveUp(t, v);
    } else if (this.t1 === this.t0 && age > window >> 2) {
      this.v1 = this.v2 = v;
      this.t1 = this.t2 = t;
    } else if (this.t2 === this.t1 && age > window >> 1) {
      this.v2 = v;
      this.t2 = t;
    }
  }
  private moveUp(t: number, v: number): void {
    this.v0 = this.v1;
    this.t0 = this.t1;
    this.v1 = this.v2;
    this.t1 = this.t2;
    this.v2 = v;
    this.t2 = t;
  }
}

/** No sample yet. */
const NONE = 0x7fffffff;

/** The minimum: the maximum of the complements, so that all fields are small integers, which take no memory beside the object. */
export class MinFilter extends MaxFilter {
  constructor() {
    super();
    this.reset(0, ~NONE);
  }

  /** 2^32 − 1 without a sample. */
  override get value(): number {
    const least = ~this.v0;
    return least === NONE ? 0xffffffff : least;
  }

  override update(window: number, t: number, v: number): void {
    super.update(window, t, ~v);
  }
}
