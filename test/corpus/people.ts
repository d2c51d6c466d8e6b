import { type Chance, DIGITS, UPPER } from './chance.js';

export function socialSecurityNumber(chance: Chance): string {
  const area = 1 + chance.below(898);
  return `${String(area === 666 ? 667 : area).padStart(3, '0')}-${String(1 + chance.below(99)).padStart(2, '0')}-${String(1 + chance.below(9_999)).padStart(4, '0')}`;
}

const ISSUERS: readonly (readonly [string, number])[] = [
  ['4', 16],
  ['51', 16],
  ['55', 16],
  ['2221', 16],
  ['34', 15],
  ['37', 15],
  ['6011', 16],
  ['65', 16],
  ['3528', 16],
  ['36', 14],
  ['62', 16],
];

/** With a right check digit, bare or in groups. */
export function cardNumber(chance: Chance, prefix: string): string {
  const [start, length] = prefix === '' ? chance.pick(ISSUERS) : ([prefix, 16] as const);
  const digits = withCheckDigit(start + chance.text(DIGITS, length - start.length - 1));
  if (length !== 16) return digits;
  const separator = chance.pick(['', ' ', '-']);
  return (digits.match(/\d{4}/g) ?? []).join(separator);
}

export function withCheckDigit(digits: string): string {
  for (let check = 0; check < 10; check += 1) if (luhn(`${digits}${check}`)) return `${digits}${check}`;
  throw new Error('one of ten is right');
}

function luhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

const COUNTRIES: readonly (readonly [string, string, number])[] = [
  ['DE', DIGITS, 22],
  ['FR', DIGITS, 27],
  ['GB', 'X', 22],
  ['NL', 'X', 18],
  ['ES', DIGITS, 24],
  ['IT', DIGITS, 27],
  ['CH', DIGITS, 21],
  ['NO', DIGITS, 15],
];

/** With right check digits, bare or in groups of four. */
export function iban(chance: Chance): string {
  const [country, alphabet, length] = chance.pick(COUNTRIES);
  const bank = alphabet === 'X' ? chance.text(UPPER, 4) : chance.text(DIGITS, 4);
  const account = bank + chance.text(DIGITS, length - 8);
  const check = 98n - (numeric(`${account}${country}00`) % 97n);
  const text = `${country}${String(check).padStart(2, '0')}${account}`;
  return chance.below(2) === 0 ? text : (text.match(/.{1,4}/g) ?? []).join(' ');
}

export function numeric(text: string): bigint {
  return BigInt([...text].map((character) => String(parseInt(character, 36))).join(''));
}
