import { figure, stepped } from '../format'
import { desk } from './desk.svelte'

/** A price by the tick of its market; one that is none of an account's symbols as it came. */
export function priced(price: string | number | null | undefined, symbol: string): string {
  const tick = desk.steps[symbol]?.tick
  return tick === undefined ? figure(price) : stepped(price, tick)
}

/** A quantity by the step of its market. */
export function sized(quantity: string | number | null | undefined, symbol: string): string {
  const lot = desk.steps[symbol]?.lot
  return lot === undefined ? figure(quantity) : stepped(quantity, lot)
}
