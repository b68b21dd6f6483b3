import { figure, stepped } from '../format'
import { desk } from './desk.svelte'

const COARSEST = 100 // a price has at least so many ticks, else its tick is the fifth digit of it (libs/perps/steps.py)
const DIGITS = 4
const SHOWN = 6 // digits of a price that was reckoned here, where no tick is known

/** A price by the tick of its market; one that is of none of the accounts' symbols as it came. */
export function priced(price: string | number | null | undefined, symbol: string): string {
  const tick = desk.steps[symbol]?.tick
  if (!price) return figure(price)
  if (tick === undefined) return figure(typeof price === 'number' ? price.toPrecision(SHOWN) : price)
  const size = Math.abs(Number(price))
  return stepped(price, Number(tick) * COARSEST <= size || !size ? tick : fine(size))
}

/** A quantity by the step of its market. */
export function sized(quantity: string | number | null | undefined, symbol: string): string {
  const lot = desk.steps[symbol]?.lot
  return lot === undefined ? figure(quantity) : stepped(quantity, lot)
}

const fine = (price: number): string => {
  const place = Math.floor(Math.log10(price)) - DIGITS
  return place >= 0 ? '1' : (10 ** place).toFixed(-place)
}
