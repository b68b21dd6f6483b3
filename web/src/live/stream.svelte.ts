import { post, Refused } from '../api/client'

export interface StreamEvent {
  id: string
  type: string
  channel?: string
  account_id?: string | null
  data: Record<string, unknown> | null
}

export type Standing = 'connecting' | 'live' | 'silent' | 'cut'

const CHANNELS = 'decisions,orders,positions,alerts,market'
const QUIET_MS = 35_000 // two heartbeats and a little: the line is dead though nobody said so
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000
const KEY_ENDED = 4401

/** The stream of the API, opened by a ticket, and again behind the last event after a cut. */
export class Stream {
  standing = $state<Standing>('connecting')
  heardAt = $state<number>(Date.now())
  gap = $state(false)
  private socket: WebSocket | null = null
  private last: string | null = null
  private pause = FIRST_PAUSE_MS
  private timer: ReturnType<typeof setTimeout> | null = null
  private wanted = false

  constructor(
    private readonly take: (event: StreamEvent) => void,
    private readonly keyEnded: () => void,
  ) {}

  start(): void {
    this.wanted = true
    addEventListener('online', this.soon)
    void this.open()
  }

  stop(): void {
    this.wanted = false
    removeEventListener('online', this.soon)
    if (this.timer) clearTimeout(this.timer)
    this.socket?.close()
    this.socket = null
  }

  private readonly soon = (): void => {
    if (this.socket === null && this.wanted) this.later(0)
  }

  private async open(): Promise<void> {
    let ticket: string
    try {
      ticket = (await post<{ ticket: string }>('/stream/tickets', undefined)).ticket
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return
      this.cut()
      return
    }
    if (!this.wanted) return
    const behind = this.last ? `&last_event_id=${this.last}` : ''
    const address = `${location.origin.replace(/^http/, 'ws')}/api/v1/stream?channels=${CHANNELS}${behind}`
    const socket = (this.socket = new WebSocket(address))
    socket.onopen = () => socket.send(JSON.stringify({ type: 'auth', ticket }))
    socket.onmessage = (message) => this.heard(JSON.parse(String(message.data)))
    socket.onclose = (end) => {
      if (socket !== this.socket) return
      this.socket = null
      if (end.code === KEY_ENDED && end.reason.startsWith('key-')) this.keyEnded()
      else this.cut()
    }
    this.listen()
  }

  private heard(event: StreamEvent): void {
    this.last = event.id
    this.heardAt = Date.now()
    this.listen()
    if (event.type === 'stream.opened') this.pause = FIRST_PAUSE_MS
    if (event.type === 'stream.gap') this.gap = true
    const silent = event.type === 'stream.heartbeat' && event.data?.['log'] === 'silent'
    this.standing = silent ? 'silent' : 'live'
    this.take(event)
  }

  /** A line that says nothing for too long is closed by us. */
  private listen(): void {
    if (this.timer) clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.socket?.close()
      this.socket = null
      this.cut()
    }, QUIET_MS)
  }

  private cut(): void {
    if (!this.wanted) return
    this.standing = 'cut'
    this.later(this.pause)
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS)
  }

  private later(pause: number): void {
    if (this.timer) clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.open(), pause)
  }
}
