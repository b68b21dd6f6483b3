import type { TradingStrategy } from './api/types'

export interface Changed {
  name: string
  before: string
  after: string
}
export interface Line {
  sign: '+' | '−' | ' ' | '…'
  text: string
}

const OWN = ['version', 'changed_because', 'prompt_template'] // told elsewhere
const AROUND = 2 // lines on each side of a change

/** Values by dotted names, lists as one. */
export function flat(values: object, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.entries(flat(value as object, `${prefix}${name}.`))
        : [[prefix + name, value]],
    ),
  )
}

const told = (value: unknown): string =>
  value === null || value === undefined ? '–' : Array.isArray(value) ? value.join(', ') : String(value)

/** Fields in which two versions differ, but for the template. */
export function changedFields(before: TradingStrategy, after: TradingStrategy): Changed[] {
  const [old, fresh] = [flat(before), flat(after)]
  const names = [...new Set([...Object.keys(old), ...Object.keys(fresh)])].filter((name) => !OWN.includes(name))
  return names
    .map((name) => ({ name, before: told(old[name]), after: told(fresh[name]) }))
    .filter((one) => one.before !== one.after)
}

/** The lines of two texts: a longest common subsequence, and of what stayed only what is near a change. */
export function changedLines(before: string, after: string): Line[] {
  const whole = aligned(before.split('\n'), after.split('\n'))
  const near = whole.map((_, n) => whole.slice(Math.max(0, n - AROUND), n + AROUND + 1).some((line) => line.sign !== ' '))
  return whole.flatMap((line, n): Line[] => (near[n] ? [line] : near[n - 1] ? [{ sign: '…', text: '' }] : []))
}

function aligned(old: string[], fresh: string[]): Line[] {
  const common = Array.from({ length: old.length + 1 }, () => new Uint16Array(fresh.length + 1))
  for (let a = old.length - 1; a >= 0; a--) {
    for (let b = fresh.length - 1; b >= 0; b--) {
      common[a]![b] = old[a] === fresh[b] ? common[a + 1]![b + 1]! + 1 : Math.max(common[a + 1]![b]!, common[a]![b + 1]!)
    }
  }
  const lines: Line[] = []
  let [a, b] = [0, 0]
  while (a < old.length || b < fresh.length) {
    if (a < old.length && b < fresh.length && old[a] === fresh[b]) {
      lines.push({ sign: ' ', text: old[a]! })
      a++
      b++
    } else if (b === fresh.length || (a < old.length && common[a + 1]![b]! >= common[a]![b + 1]!)) {
      lines.push({ sign: '−', text: old[a++]! })
    } else lines.push({ sign: '+', text: fresh[b++]! })
  }
  return lines
}
