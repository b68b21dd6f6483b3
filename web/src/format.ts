/** Figures as the API wrote them: digits are grouped, never rounded, unless a number of digits is asked for. */
export function figure(value: string | number | null | undefined, digits?: number): string {
  if (value === null || value === undefined || value === '') return '–'
  const text = digits === undefined ? String(value) : Number(value).toFixed(digits)
  const [, sign = '', whole = text, rest = ''] = /^(-?)(\d+)(.*)$/.exec(text) ?? []
  return sign.replace('-', '−') + whole.replace(/\B(?=(\d{3})+$)/g, ',') + rest
}

/** By a step: a text is filled up with zeros and never cut, a number that was reckoned here is rounded to it. */
export function stepped(value: string | number | null | undefined, step: string): string {
  const digits = step.includes('.') ? step.replace(/0+$/, '').split('.')[1]!.length : 0
  if (typeof value === 'number') return figure(value, digits)
  if (!value || !/^-?\d+(\.\d+)?$/.test(value)) return figure(value)
  const [whole = '', rest = ''] = value.split('.')
  const filled = rest.replace(/0+$/, '').padEnd(digits, '0')
  return figure(filled ? `${whole}.${filled}` : whole)
}

export const money = (value: string | number | null | undefined): string => figure(value, 2)

/** With a sign and an arrow: colour is never the only one to tell. */
export function signed(value: string | number | null | undefined, digits = 2): string {
  if (value === null || value === undefined) return '–'
  const number = Number(value)
  const text = figure(Math.abs(number), digits)
  return number > 0 ? `▲ +${text}` : number < 0 ? `▼ −${text}` : text
}

export const tone = (value: string | number | null | undefined): string =>
  Number(value ?? 0) > 0 ? 'up' : Number(value ?? 0) < 0 ? 'down' : ''

export const percent = (share: number | null | undefined, digits = 2): string =>
  share === null || share === undefined ? '–' : `${figure(share * 100, digits)} %`

const zoned = new Date().getTimezoneOffset() !== 0
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const year = new Intl.DateTimeFormat(undefined, { year: 'numeric' })

/** In the reader's zone, and in UTC where that is another. */
export function moment(iso: string): { day: string; clock: string; utc: string; zoned: boolean; full: string } {
  const at = new Date(iso)
  const utc = at.toISOString()
  const local = `${day.format(at)} ${year.format(at)} ${clock.format(at)}`
  return { day: day.format(at), clock: clock.format(at), utc: utc.slice(11, 19), zoned, full: `${local} · ${utc.slice(0, 19)}Z` }
}

export const milliseconds = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${figure(value, value < 10 ? 1 : 0)} ms`

/** How far a price is from another, as a share of that one. */
export function distance(price: number | undefined, from: string | number | null | undefined): number | null {
  return price === undefined || !from ? null : Math.abs(Number(from) - price) / price
}
