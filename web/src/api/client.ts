import { words } from '../words'

const BASE = '/api/v1'
const STORED = 'perpetua.key'

/** A refusal of the API, or no answer at all (`status` 0). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    detail: string,
    readonly fields: { field: string; message: string }[] = [],
  ) {
    super(detail)
  }
}

let key: string | null = localStorage.getItem(STORED)
let ended: () => void = () => undefined

export const hasKey = (): boolean => key !== null

/** Calls `act` when the API does not take the key any more. */
export function whenSignedOut(act: () => void): void {
  ended = act
}

function keep(token: string, remember: boolean): void {
  key = token
  if (remember) localStorage.setItem(STORED, token)
  else localStorage.removeItem(STORED)
}

export function forget(): void {
  key = null
  localStorage.removeItem(STORED)
}

async function refusal(answer: Response): Promise<Refused> {
  try {
    const problem = await answer.json()
    const kind = String(problem.type ?? '').split(':').pop() ?? ''
    return new Refused(answer.status, kind, String(problem.detail ?? answer.statusText), problem.errors ?? [])
  } catch {
    return new Refused(answer.status, 'unreadable', words.errors.status(answer.status))
  }
}

async function asked(method: string, path: string, authorization: string, body?: unknown, more?: HeadersInit) {
  const headers = new Headers(more)
  headers.set('Authorization', authorization)
  if (body !== undefined) headers.set('Content-Type', 'application/json')
  let answer: Response
  try {
    answer = await fetch(BASE + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  } catch {
    throw new Refused(0, 'away', words.errors.away)
  }
  if (answer.ok) return answer.status === 204 ? undefined : answer.json()
  throw await refusal(answer)
}

async function call<T>(method: string, path: string, body?: unknown, headers?: HeadersInit): Promise<T> {
  try {
    return (await asked(method, path, `Bearer ${key ?? ''}`, body, headers)) as T
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      forget()
      ended()
    }
    throw error
  }
}

type Wanted = Record<string, string | number | boolean | null | undefined>

export function query(wanted: Wanted): string {
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined && value !== null && value !== '')
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : ''
}

export const get = <T>(path: string, wanted: Wanted = {}): Promise<T> => call<T>('GET', path + query(wanted))

/** `once` names this wish: a repetition of it is carried out once. */
export const post = <T>(path: string, body: unknown, once?: string, more: HeadersInit = {}): Promise<T> =>
  call<T>('POST', path, body, once ? { 'Idempotency-Key': once, ...more } : more)

export const put = <T>(path: string, body: unknown, version: number): Promise<T> =>
  call<T>('PUT', path, body, { 'If-Match': `"${version}"` })

export const wish = (): string => crypto.getRandomValues(new Uint32Array(4)).join('-')

/** Exchanges a key or a ticket for a key that ends by itself. */
export async function signIn(by: 'Bearer' | 'Ticket', secret: string, remember: boolean): Promise<void> {
  const made = (await asked('POST', '/sign-in', `${by} ${secret}`)) as { token: string }
  keep(made.token, remember)
}

export async function signOut(): Promise<void> {
  try {
    await call('DELETE', '/sign-in')
  } finally {
    forget()
  }
}
