import type { AccountState, Position } from '../api/types'

type Prices = Record<string, { price: number }>

export function profit(position: Position, prices: Prices): number | null {
  const price = prices[position.symbol]?.price
  if (price === undefined) return null
  const moved = (price - Number(position.entry_price)) * Number(position.quantity)
  return position.side === 'long' ? moved : -moved
}

/** The wallet and what the open positions would bring at the newest price; a position without one counts nothing. */
export function equity(state: AccountState, prices: Prices): number {
  return state.positions.reduce((sum, one) => sum + (profit(one, prices) ?? 0), Number(state.wallet_balance))
}

export function notional(state: AccountState, prices: Prices): number {
  return state.positions.reduce(
    (sum, one) => sum + Number(one.quantity) * (prices[one.symbol]?.price ?? Number(one.entry_price)),
    0,
  )
}

export function today(state: AccountState, prices: Prices): number | null {
  return state.day ? equity(state, prices) - Number(state.day.open_equity) - Number(state.day.transfers) : null
}
