/** Runs of `perpetua replay` in a folder of the reader's own: they are read in the browser and sent nowhere. */
export interface Beside {
  verdict: string
  mean_bps: number | null
  low_bps: number | null
  high_bps: number | null
}

interface Replayed {
  account_id: string
  strategy_id: string
  return_pct: number
  max_drawdown_pct: number
  against_flat: Beside | null
  against_equal_weight: Beside | null
  statistics: { sharpe: number | null; trades: number; win_rate_pct: number | null }
}

export interface RunRow extends Replayed {
  key: string
  run: string
  policy: string
  from: string
  to: string
  market: string
  points: [number, number][]
}

const MOST_BYTES = 50e6

/** An account of a run a row. A folder that is none of a complete run is passed over. */
export async function runsIn(files: readonly File[]): Promise<RunRow[]> {
  const byPath = new Map(files.map((file) => [file.webkitRelativePath || file.name, file]))
  const folders = [...byPath.keys()].filter((path) => path.endsWith('summary.json')).map((path) => path.slice(0, -'summary.json'.length))
  const rows = await Promise.all(folders.sort().map((folder) => runIn(folder, byPath).catch(() => [])))
  return rows.flat()
}

async function runIn(folder: string, files: Map<string, File>): Promise<RunRow[]> {
  const [summary, run, equity] = await Promise.all(['summary.json', 'run.json', 'equity.jsonl'].map((name) => textOf(files.get(folder + name))))
  const asked = JSON.parse(run ?? '')
  const points = pointsOf(equity ?? '')
  const name = folder.split('/').filter(Boolean).slice(-1)[0] ?? folder
  return (JSON.parse(summary ?? '').accounts as Replayed[]).map((one) => ({
    ...one, key: `${folder} ${one.account_id}`, run: name, policy: String(asked.policy), from: String(asked.from), to: String(asked.to),
    market: JSON.stringify(asked.market), points: points.get(one.account_id) ?? [],
  }))
}

const textOf = async (file: File | undefined): Promise<string | null> => (file && file.size < MOST_BYTES ? file.text() : null)

/** What each account has grown by, in per cent of its first figure. */
function pointsOf(lines: string): Map<string, [number, number][]> {
  const points = new Map<string, [number, number][]>()
  const first = new Map<string, number>()
  for (const line of lines.split('\n').filter(Boolean)) {
    const { at, account_id: account, equity } = JSON.parse(line)
    if (!first.has(account)) first.set(account, Number(equity))
    const own = points.get(account) ?? []
    points.set(account, own)
    own.push([Date.parse(at), (Number(equity) / first.get(account)! - 1) * 100])
  }
  return points
}

/** Figures of different stretches or markets say nothing beside each other. */
export const alike = (a: RunRow, b: RunRow): boolean => a.from === b.from && a.to === b.to && a.market === b.market
