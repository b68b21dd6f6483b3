import { Refused } from '../api/client'
import { words } from '../words'

/** Something that was asked for: not there yet, there, or refused. A newer wish makes an older answer void. */
export class Loaded<T> {
  value = $state.raw<T | undefined>(undefined)
  error = $state<string | null>(null)
  busy = $state(false)
  private wish = 0

  constructor(private readonly ask: () => Promise<T>) {}

  async load(): Promise<void> {
    const mine = ++this.wish
    this.busy = true
    try {
      const value = await this.ask()
      if (mine === this.wish) {
        this.value = value
        this.error = null
      }
    } catch (error) {
      if (mine === this.wish) this.error = said(error)
    } finally {
      if (mine === this.wish) this.busy = false
    }
  }
}

export function said(error: unknown): string {
  if (!(error instanceof Refused)) return words.errors.page
  return [error.message, ...error.fields.map((field) => `${field.field}: ${field.detail}`)].join(' ')
}

/** Calls `act` now and, however often it is asked, not again before `pause` milliseconds are over; the last wish counts. */
export function paced(act: () => void, pause: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null
  let again = false
  const run = () => {
    act()
    timer = setTimeout(() => {
      timer = null
      if (again) {
        again = false
        run()
      }
    }, pause)
  }
  return () => {
    if (timer === null) run()
    else again = true
  }
}
