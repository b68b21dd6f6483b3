import { get, whenSignedOut } from '../api/client'
import type { Account, AccountState, Alert, HistoryEntry, KeyShown, MarketRules, Page, SystemSummary } from '../api/types'
import { paced } from './loaded.svelte'
import { Stream, type StreamEvent } from './stream.svelte'

const PAINT_MS = 250 // prices are shown four times a second, however many come
const STATE_MS = 500
const NEWEST_MS = 1000
const NEWEST = 30

interface Told {
  price: number
  ts: string
}

interface Steps {
  tick: string
  lot: string
}

/** What all pages show, kept up to date by the stream. */
class Desk {
  key = $state.raw<KeyShown | null>(null)
  accounts = $state.raw<Account[]>([])
  states = $state.raw<Record<string, AccountState>>({})
  tried = $state.raw<Record<string, boolean>>({})
  prices = $state.raw<Record<string, Told>>({})
  steps = $state.raw<Record<string, Steps>>({})
  newest = $state.raw<HistoryEntry[] | null>(null)
  alerts = $state.raw<Alert[]>([])
  summary = $state.raw<SystemSummary | null>(null)
  decided = $state(0) // counts what was decided: pages that show decisions look again
  traded = $state.raw<Record<string, number>>({})
  stream = new Stream(
    (event) => this.take(event),
    () => this.leave(),
  )
  private pending: Record<string, Told> = {}
  private painting = false
  private readonly asking = new Map<string, () => void>()
  private readonly lookAtNewest = paced(() => void this.loadNewest(), NEWEST_MS)

  get marketTime(): string | null {
    let newest: string | null = null
    for (const told of Object.values(this.prices)) if (newest === null || told.ts > newest) newest = told.ts
    return newest ?? this.summary?.market_time ?? null
  }

  may(scope: string): boolean {
    return this.key?.scopes.some((one) => one === scope || one === 'admin') ?? false
  }

  /** Raises Refused where the key is none, or the gateway does not answer. */
  async enter(): Promise<void> {
    whenSignedOut(() => this.leave())
    this.key = await get<KeyShown>('/sign-in')
    this.stream.start()
    await this.loadAll()
  }

  leave(): void {
    this.stream.stop()
    this.key = null
  }

  private async loadAll(): Promise<void> {
    const [accounts, alerts, summary] = await Promise.all([
      get<{ items: Account[] }>('/accounts'),
      get<Page<Alert>>('/strategies/alerts', { open: true, limit: 50 }),
      get<SystemSummary>('/monitoring/summary'),
      this.loadNewest(),
    ])
    this.accounts = accounts.items
    this.alerts = alerts.items
    this.summary = summary
    await Promise.all(this.accounts.map((account) => this.loadState(account.account_id)))
    const symbols = [...new Set(this.accounts.flatMap((account) => account.symbols))]
    await Promise.all(symbols.map((symbol) => Promise.all([this.loadPrice(symbol), this.loadSteps(symbol)])))
  }

  async loadState(account: string): Promise<void> {
    try {
      const state = await get<AccountState>(`/accounts/${account}/state`)
      this.states = { ...this.states, [account]: state }
    } catch {
      return // an account that was never opened has no state; what is shown stays
    } finally {
      if (!this.tried[account]) this.tried = { ...this.tried, [account]: true }
    }
  }

  private async loadPrice(symbol: string): Promise<void> {
    try {
      const { tick } = await get<{ tick: Told | null }>(`/market/${symbol}`)
      if (tick && !this.prices[symbol]) this.prices = { ...this.prices, [symbol]: { price: tick.price, ts: tick.ts } }
    } catch {
      return // no tick yet: the stream will bring one
    }
  }

  /** Of the venue of the first account that trades the symbol: all show it alike. */
  private async loadSteps(symbol: string): Promise<void> {
    const venue = this.accounts.find((account) => account.symbols.includes(symbol))?.venue
    try {
      const rules = await get<MarketRules>(`/market/${symbol}/rules`, { venue })
      this.steps = { ...this.steps, [symbol]: { tick: String(rules.tick_size), lot: String(rules.lot_size) } }
    } catch {
      return // figures are shown as they come
    }
  }

  private async loadNewest(): Promise<void> {
    try {
      this.newest = (await get<Page<HistoryEntry>>('/decisions/history', { limit: NEWEST })).items
      this.decided += 1
    } catch {
      return // it is asked again with the next decision
    }
  }

  async loadAlerts(): Promise<void> {
    this.alerts = (await get<Page<Alert>>('/strategies/alerts', { open: true, limit: 50 })).items
  }

  private take(event: StreamEvent): void {
    if (event.type === 'market.tick') this.priced(event.data as unknown as Told & { symbol: string })
    else if (event.channel === 'decisions') this.lookAtNewest()
    else if (event.channel === 'alerts') this.alerts = [event.data as unknown as Alert, ...this.alerts].slice(0, 50)
    else if (event.account_id) this.changed(event.account_id)
    else if (event.type === 'stream.heartbeat' || event.type === 'stream.opened') void this.refresh()
  }

  /** What the stream does not bring: states that a person set, workers. Once a heartbeat, and after each cut. */
  private async refresh(): Promise<void> {
    for (const account of this.accounts) this.changed(account.account_id)
    try {
      this.summary = await get<SystemSummary>('/monitoring/summary')
    } catch {
      return // the state of the stream says that nothing is heard
    }
  }

  private changed(account: string): void {
    let ask = this.asking.get(account)
    if (!ask) {
      ask = paced(() => {
        void this.loadState(account)
        this.traded = { ...this.traded, [account]: (this.traded[account] ?? 0) + 1 }
      }, STATE_MS)
      this.asking.set(account, ask)
    }
    ask()
  }

  private priced(tick: Told & { symbol: string }): void {
    this.pending[tick.symbol] = { price: tick.price, ts: tick.ts }
    if (this.painting) return
    this.painting = true
    setTimeout(() => {
      this.painting = false
      this.prices = { ...this.prices, ...this.pending }
      this.pending = {}
    }, PAINT_MS)
  }
}

export const desk = new Desk()
