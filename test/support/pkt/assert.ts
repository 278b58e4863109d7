/** `%{ … }%` blocks: Python's assertions and assignments over tcp_info's fields and Linux's names for their values. */
type Scope = Map<string, number | boolean>;

const NAMES: Readonly<Record<string, number>> = {
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCP_CA_Open: 0,
  TCP_CA_Disorder: 1,
  TCP_CA_CWR: 2,
  TCP_CA_Recovery: 3,
  TCP_CA_Loss: 4,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
  TCPI_OPT_ECN_SEEN: 16,
  TCPI_OPT_SYN_DATA: 32,
  TCPI_OPT_USEC_TS: 64,
  TCPI_OPT_TFO_CHILD: 128,
};

/** Python's binding powers; comparisons chain. */
const POWER: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  '|': 5,
  '^': 6,
  '&': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '//': 10,
  '%': 10,
};
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=']);
const COMPARE = 4;
const NOT = 3;
const TOKEN = /\s*(0x[0-9a-f]+|\d+\.\d+|\d+|\w+|<<|>>|<=|>=|==|!=|\/\/|[-+*/%&|^<>()~])/iy;

/** Runs a block. Throws an Error that says which claim does not hold, and what it was about. */
export function runBlock(text: string, info: Readonly<Record<string, number>>, kept: Scope): void {
  for (const [name, value] of Object.entries(info)) kept.set(name, value);
  for (const line of text.replaceAll('\\\n', '').split(/[;\n]/)) {
    const statement = line.replace(/#.*$/, '').trim();
    if (statement === '') continue;
    const claim = /^assert\b(.*)$/.exec(statement);
    const assignment = /^(\w+)\s*=(?!=)(.*)$/.exec(statement);
    if (claim) hold(claim[1]!, kept);
    else if (assignment) kept.set(assignment[1]!, new Expression(assignment[2]!, kept).value());
    else throw new Error(`cannot read ${statement}`);
  }
}

function hold(text: string, scope: Scope): void {
  const claim = text.slice(0, firstComma(text)).trim();
  if (new Expression(claim, scope).value()) return;
  const names = [...new Set(claim.match(/tcpi_\w+/g) ?? [])];
  throw new Error(`assert ${claim}: ${names.map((n) => `${n} is ${scope.get(n)}`).join(', ')}`);
}

/** Where the message of an assertion begins. */
function firstComma(text: string): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === ',' && depth === 0) return i;
  }
  return text.length;
}

class Expression {
  private readonly tokens: string[] = [];
  private at = 0;
  private readonly scope: Scope;
  constructor(text: string, scope: Scope) {
    this.scope = scope;
    TOKEN.lastIndex = 0;
    const trimmed = text.trim();
    for (let m = TOKEN.exec(trimmed); m; m = TOKEN.exec(trimmed)) {
      this.tokens.push(m[1]!);
      if (TOKEN.lastIndex === trimmed.length) return;
    }
    throw new Error(`cannot read the expression ${text}`);
  }

  value(): number | boolean {
    const v = this.operators(0);
    if (this.at !== this.tokens.length) throw new Error(`cannot read ${this.tokens.slice(this.at).join(' ')}`);
    return v;
  }

  private operators(least: number): number | boolean {
    let left = this.single();
    for (;;) {
      const op = this.tokens[this.at] ?? '';
      if (COMPARISONS.has(op)) {
        if (least >= COMPARE) return left;
        left = this.comparison(left);
        continue;
      }
      const power = POWER[op] ?? 0;
      if (power <= least) return left;
      this.at++;
      left = apply(op, left, this.operators(power));
    }
  }

  private comparison(first: number | boolean): boolean {
    let holds = true;
    let left = first;
    for (let op = this.tokens[this.at] ?? ''; COMPARISONS.has(op); op = this.tokens[this.at] ?? '') {
      this.at++;
      const right = this.operators(COMPARE);
      holds = holds && compare(op, Number(left), Number(right));
      left = right;
    }
    return holds;
  }

  private single(): number | boolean {
    const t = this.tokens[this.at++] ?? '';
    if (t === '(') {
      const v = this.operators(0);
      if (this.tokens[this.at++] !== ')') throw new Error('a bracket is not closed');
      return v;
    }
    if (t === '-') return -Number(this.single());
    if (t === '~') return ~Number(this.single());
    if (t === 'not') return !this.operators(NOT);
    if (t === 'True' || t === 'False') return t === 'True';
    if (/^\d/.test(t)) return Number(t);
    const known = this.scope.get(t) ?? NAMES[t];
    if (known === undefined) throw new Error(`${t} is not known`);
    return known;
  }
}

function compare(op: string, a: number, b: number): boolean {
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}

function apply(op: string, left: number | boolean, right: number | boolean): number | boolean {
  if (op === 'or') return left || right;
  if (op === 'and') return left && right;
  const a = Number(left);
  const b = Number(right);
  switch (op) {
    case '|':
      return Number(BigInt(a) | BigInt(b));
    case '^':
      return Number(BigInt(a) ^ BigInt(b));
    case '&':
      return Number(BigInt(a) & BigInt(b));
    case '<<':
      return a * 2 ** b;
    case '>>':
      return Math.floor(a / 2 ** b);
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    default:
      return a - b * Math.floor(a / b);
  }
}
