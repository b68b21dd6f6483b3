import { post, wish } from '../api/client'
import type { ActTaken, ControlTaken } from '../api/types'
import { desk } from '../live/desk.svelte'
import { words } from '../words'

/** Something that a person is asked to confirm. `price` asks for one. */
export interface Act {
  title: string
  tell: string
  danger: boolean
  accounts: string[]
  price?: string
  run: (reason: string, once: string, price: string) => Promise<string>
}

class Acting {
  act = $state.raw<Act | null>(null)
  once = wish()

  ask(act: Act): void {
    this.once = wish()
    this.act = act
  }
}

export const acting = new Acting()

const said = (waiting: string[]): string => (waiting.length ? words.controls.waitingFor(waiting.join(', ')) : words.controls.done)

/** `account` null is every account. */
export function control(account: string | null, state: 'active' | 'reducing' | 'halted' | 'flatten'): void {
  const where = account === null ? words.controls.all : words.controls.account(account)
  acting.ask({
    title: `${words.controls[state]}: ${where}`,
    tell: words.controls.tell[state] ?? '',
    danger: state === 'flatten' || state === 'halted',
    accounts: account === null ? desk.accounts.map((one) => one.account_id) : [account],
    run: async (reason, once) => {
      const path = account === null ? '/control' : `/accounts/${account}/control`
      return said((await post<ControlTaken>(path, { state, reason }, once)).waiting_for)
    },
  })
}

function act(account: string, path: string, body: Record<string, unknown>, once: string): Promise<string> {
  return post<ActTaken>(`/accounts/${account}${path}`, body, once).then((taken) =>
    taken.result === 'done' ? words.controls.done : taken.message || words.controls.waiting,
  )
}

export function close(account: string, symbol: string, opened: string, share: number): void {
  const verb = share === 1 ? words.controls.close : words.controls.half
  acting.ask({
    title: `${verb}: ${symbol}, ${account}`,
    tell: words.controls.closeTell(symbol, `${share * 100} %`),
    danger: true,
    accounts: [account],
    run: (reason, once) => act(account, `/positions/${symbol}/close`, { share, reason, opened_at: opened }, once),
  })
}

export function moveStop(account: string, symbol: string, opened: string, now: string | null): void {
  acting.ask({
    title: `${words.controls.moveStop}: ${symbol}, ${account}`,
    tell: words.controls.stopTell(symbol, now ?? words.position.noStop),
    danger: false,
    accounts: [account],
    price: now ?? '',
    run: (reason, once, price) =>
      act(account, `/positions/${symbol}/stop`, { price, reason, opened_at: opened }, once),
  })
}

export function cancel(account: string, order: string, symbol: string): void {
  acting.ask({
    title: `${words.controls.cancel}: ${symbol}, ${account}`,
    tell: words.controls.cancelTell(symbol),
    danger: false,
    accounts: [account],
    run: (reason, once) => act(account, `/orders/${order}/cancel`, { reason }, once),
  })
}
