import { Refused } from '../api/client'
import { words } from '../words'

/** Something that was asked for: not there yet, there, or refused. Wishes while an answer is awaited become one more. */
export class Loaded<T> {
  value = $state.raw<T | undefined>(undefined)
  error = $state<string | null>(null)
  private asking = false
  private again = false

  constructor(private readonly ask: () => Promise<T>) {}

  async load(): Promise<void> {
    if (this.asking) {
      this.again = true
      return
    }
    this.asking = true
    try {
      do {
        this.again = false
        await this.once()
      } while (this.again)
    } finally {
      this.asking = false
    }
  }

  private async once(): Promise<void> {
    try {
      this.value = await this.ask()
      this.error = null
    } catch (error) {
      this.error = said(error)
    }
  }
}

export function said(error: unknown): string {
  if (!(error instanceof Refused)) return words.errors.page
  return [error.message, ...error.fields.map((field) => `${field.field}: ${field.message}`)].join(' ')
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
