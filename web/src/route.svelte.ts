/** Where the reader is: the part of the address behind `#`. */
class Route {
  parts = $state<string[]>([])
  wanted = $state<Record<string, string>>({})

  constructor() {
    this.read()
    addEventListener('hashchange', () => this.read())
  }

  get page(): string {
    return this.parts[0] ?? 'overview'
  }

  private read(): void {
    const [path = '', search = ''] = location.hash.replace(/^#\/?/, '').split('?')
    this.parts = path.split('/').filter(Boolean).map(decodeURIComponent)
    this.wanted = Object.fromEntries(new URLSearchParams(search))
  }
}

export const route = new Route()

export function link(page: string, id?: string | null): string {
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}`
}

export function go(address: string): void {
  location.hash = address
}
