import { get } from '../api/client'
import type { Account, Candle, EquityPoint, Page } from '../api/types'

const FRAMES: [string, number][] = [['1m', 60], ['5m', 300], ['15m', 900], ['1h', 3600], ['4h', 14_400], ['1d', 86_400]]
const MOST = 500

export type Points = [number, number][]

/** The account's equity, oldest first, and what its first figure in equal parts of all its symbols would be worth. */
export async function curves(account: Account): Promise<{ equity: Points; held: Points }> {
  const page = await get<Page<EquityPoint>>(`/accounts/${account.account_id}/equity`, { limit: MOST })
  const equity = page.items.map((one): [number, number] => [Date.parse(one.at), Number(one.equity)]).reverse()
  const [first, last] = [equity[0], equity.at(-1)]
  if (!first || !last) return { equity, held: [] }
  const spanned = (last[0] - first[0]) / 1000
  const [frame] = FRAMES.find(([, seconds]) => spanned / seconds < MOST - 2) ?? ['1d']
  const series = await Promise.all(account.symbols.map((symbol) => closes(symbol, frame!, first[0])))
  return { equity, held: held(series.filter((one) => one.length), first[1]) }
}

async function closes(symbol: string, frame: string, from: number): Promise<Points> {
  try {
    const { items } = await get<{ items: Candle[] }>(`/market/${symbol}/candles`, { timeframe: frame, limit: MOST })
    return items.map((one): [number, number] => [Date.parse(one.close_time), one.close]).filter(([at]) => at >= from)
  } catch {
    return []
  }
}

function held(series: Points[], begin: number): Points {
  const shortest = series.reduce<Points | null>((a, b) => (a && a.length <= b.length ? a : b), null) ?? []
  return shortest.map(([at], n) => {
    const grown = series.reduce((sum, one) => sum + one[n]![1] / one[0]![1], 0) / series.length
    return [at, begin * grown]
  })
}
