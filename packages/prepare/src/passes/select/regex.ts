/**
 * Regular expressions that take time proportional to the text, whatever the pattern: a recipe may come from somebody else,
 * and `(a+)+$` on a name of forty letters keeps the engine of JavaScript busy for hours.
 *
 * The pattern becomes a nondeterministic automaton, and all of its states are followed at once (Thompson 1968). That rules
 * out back references and lookaround, which are refused; only whether there is a match is asked, so lazy and greedy
 * quantifiers are the same. Matching is by code point, anywhere in the text unless `^` or `$` say otherwise.
 */

/** Instructions of one pattern: counted repetition copies its operand, and copies of copies multiply. */
const MAX_INSTRUCTIONS = 5000;
/** Nesting of groups: the parser recurses. */
const MAX_DEPTH = 100;

type CodePoint = number;
type Test = (code: CodePoint) => boolean;

type Tree =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Tree[] }
  | { readonly kind: 'repeat'; readonly part: Tree; readonly min: number; readonly max: number };

type Instruction =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'start' | 'end' | 'match' }
  | { readonly kind: 'fork'; readonly to: number[] };

/** @throws SyntaxError saying what is wrong or not supported */
export function compileRegex(pattern: string): (text: string) => boolean {
  const program: Instruction[] = [];
  emit(new Parser(pattern).parse(), program);
  push(program, { kind: 'match' });
  return (text) => search(program, text);
}

function push<I extends Instruction>(program: Instruction[], instruction: I): I {
  if (program.length >= MAX_INSTRUCTIONS) {
    throw new SyntaxError(`it repeats too much: more than ${MAX_INSTRUCTIONS} steps when written out`);
  }
  program.push(instruction);
  return instruction;
}

function emit(tree: Tree, program: Instruction[]): void {
  switch (tree.kind) {
    case 'one':
    case 'start':
    case 'end':
      push(program, tree);
      return;
    case 'sequence':
      for (const part of tree.parts) emit(part, program);
      return;
    case 'choice': {
      const fork = push(program, { kind: 'fork', to: [] as number[] });
      const ends = tree.parts.map((part) => {
        fork.to.push(program.length);
        emit(part, program);
        return push(program, { kind: 'fork', to: [] as number[] });
      });
      for (const end of ends) end.to.push(program.length);
      return;
    }
    case 'repeat': {
      for (let i = 0; i < tree.min; i++) emit(tree.part, program);
      if (tree.max === Infinity) {
        const at = program.length;
        const fork = push(program, { kind: 'fork', to: [at + 1] });
        emit(tree.part, program);
        push(program, { kind: 'fork', to: [at] });
        fork.to.push(program.length);
        return;
      }
      const forks = [];
      for (let i = tree.min; i < tree.max; i++) {
        forks.push(push(program, { kind: 'fork', to: [program.length + 1] }));
        emit(tree.part, program);
      }
      for (const fork of forks) fork.to.push(program.length);
    }
  }
}

function search(program: readonly Instruction[], text: string): boolean {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  // The position at which an instruction was last entered: each is followed at most once per position.
  const entered = new Int32Array(program.length).fill(-1);
  let now: number[] = [];
  for (let at = 0; at <= codes.length; at++) {
    const waiting: number[] = [];
    const pending = [0, ...now.reverse()];
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      if (entered[state] === at) continue;
      entered[state] = at;
      const instruction = program[state];
      if (instruction === undefined) continue;
      if (instruction.kind === 'match') return true;
      if (instruction.kind === 'one') waiting.push(state);
      else if (instruction.kind === 'fork') pending.push(...instruction.to);
      else if (instruction.kind === 'start' ? at === 0 : at === codes.length) pending.push(state + 1);
    }
    const code = codes[at];
    if (code === undefined) return false;
    now = waiting.flatMap((state) => {
      const instruction = program[state];
      return instruction?.kind === 'one' && instruction.test(code) ? [state + 1] : [];
    });
  }
  return false;
}

const DIGIT: Test = (code) => code >= 0x30 && code <= 0x39;
const WORD: Test = (code) =>
  DIGIT(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x5f;
const SPACE: Test = (code) => /\s/u.test(String.fromCodePoint(code));
const not =
  (test: Test): Test =>
  (code) =>
    !test(code);

/** What stands after a backslash for more than itself. */
const ESCAPES: ReadonlyMap<string, Test> = new Map([
  ['d', DIGIT],
  ['D', not(DIGIT)],
  ['w', WORD],
  ['W', not(WORD)],
  ['s', SPACE],
  ['S', not(SPACE)],
]);

class Parser {
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#characters = Array.from(pattern);
  }

  parse(): Tree {
    const tree = this.#choice();
    if (this.#at < this.#characters.length) throw new SyntaxError('it has a ) without a (');
    return tree;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }
  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #choice(): Tree {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'choice', parts };
  }

  #sequence(): Tree {
    const parts: Tree[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: 'sequence', parts };
  }

  #repeated(part: Tree): Tree {
    const count = this.#quantifier();
    if (count === null) return part;
    if (part.kind === 'start' || part.kind === 'end') throw new SyntaxError('it repeats ^ or $');
    this.#take('?');
    if (this.#quantifier() !== null) throw new SyntaxError('it has two quantifiers in a row');
    return { kind: 'repeat', part, ...count };
  }

  #quantifier(): { min: number; max: number } | null {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return null;
    const close = this.#characters.indexOf('}', this.#at);
    const found = /^\{(\d{1,6})(,(\d{0,6}))?$/.exec(this.#characters.slice(this.#at, Math.max(close, 0)).join(''));
    if (found === null) throw new SyntaxError('{ is for counts like {2}, {2,} or {2,5}: write \\{ for the character');
    this.#at = close + 1;
    const [, least = '', range, most = ''] = found;
    const min = Number(least);
    const max = range === undefined ? min : most === '' ? Infinity : Number(most);
    if (max < min) throw new SyntaxError(`the count {${least},${most}} is empty`);
    return { min, max };
  }

  #atom(): Tree {
    const character = this.#peek() ?? '';
    this.#at++;
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'one', test: this.#class() };
      case '.':
        return { kind: 'one', test: (code) => code !== 0x0a && code !== 0x0d && code !== 0x2028 && code !== 0x2029 };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '*':
      case '+':
      case '?':
      case '{':
        throw new SyntaxError(`there is nothing before ${character} to repeat`);
      case '\\':
        return { kind: 'one', test: this.#escape() };
      default:
        return { kind: 'one', test: exactly(character) };
    }
  }

  #group(): Tree {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError(`its groups are nested more than ${MAX_DEPTH} deep`);
    if (this.#take('?') && !this.#take(':')) {
      throw new SyntaxError('lookaround and named groups are not supported, because matching must take linear time');
    }
    const tree = this.#choice();
    if (!this.#take(')')) throw new SyntaxError('it has a ( without a )');
    this.#depth--;
    return tree;
  }

  #escape(): Test {
    const character = this.#peek();
    if (character === undefined) throw new SyntaxError('it ends in a backslash');
    this.#at++;
    const known = ESCAPES.get(character);
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(character)) throw new SyntaxError(`\\${character} is not supported`);
    return exactly(character);
  }

  #class(): Test {
    const negated = this.#take('^');
    const tests: Test[] = [];
    while (!this.#take(']')) {
      const start = this.#classMember();
      const [dash, after] = [this.#peek(), this.#characters[this.#at + 1]];
      if (dash === '-' && after !== ']' && after !== undefined) {
        this.#at++;
        const end = this.#classMember();
        const [low, high] = [codeOf(start), codeOf(end)];
        if (low === null || high === null || low > high) throw new SyntaxError('a range in [ ] is empty');
        tests.push((code) => code >= low && code <= high);
      } else {
        tests.push(typeof start === 'string' ? exactly(start) : start);
      }
    }
    const any: Test = (code) => tests.some((test) => test(code));
    return negated ? not(any) : any;
  }

  #classMember(): string | Test {
    const character = this.#peek();
    if (character === undefined) throw new SyntaxError('it has a [ without a ]');
    this.#at++;
    if (character !== '\\') return character;
    const escaped = this.#peek() ?? '';
    const test = this.#escape();
    return ESCAPES.has(escaped) ? test : escaped;
  }
}

const codeOf = (member: string | Test): number | null =>
  typeof member === 'string' ? (member.codePointAt(0) ?? null) : null;

function exactly(character: string): Test {
  const wanted = character.codePointAt(0);
  return (code) => code === wanted;
}
