const STORED = 'perpetua.theme'

/** Dark or light: as the reader chose, else as the system has it. What draws by itself draws anew when it changes. */
class Theme {
  name = $state(localStorage.getItem(STORED) ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'))

  turn(): void {
    this.name = this.name === 'dark' ? 'light' : 'dark'
    localStorage.setItem(STORED, this.name)
  }
}

export const theme = new Theme()
