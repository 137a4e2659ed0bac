/** What the live view needs of terminals. Escape sequences take no room; all else does. */
export const ESC = String.fromCharCode(27)
/** Splits at style codes and keeps them, as `split` does with a group. */
const STYLE_CODES_KEPT = new RegExp(`(${ESC}\\[\\d+m)`)
const STYLE_CODES = new RegExp(`${ESC}\\[\\d+m`, 'g')

const CODES = { bold: 1, dim: 2, green: 32, yellow: 33 } as const
export type Style = keyof typeof CODES

/** `text` in `style`, or as it is where there is no color. */
export type Paint = (style: Style, text: string) => string

export function painter(color: boolean): Paint {
  return (style, text) => (color ? `${ESC}[${CODES[style]}m${text}${ESC}[0m` : text)
}

export function withoutStyles(text: string): string {
  return text.replace(STYLE_CODES, '')
}

/** How many columns `line` takes. All that is shown here is one column wide per character. */
export function visibleLength(line: string): number {
  return [...withoutStyles(line)].length
}

/** `line` cut to `columns` columns; its styles still end. */
export function clip(line: string, columns: number): string {
  let room = columns
  let clipped = ''
  for (const piece of line.split(STYLE_CODES_KEPT)) {
    if (piece.startsWith(ESC)) clipped += piece
    else {
      const characters = [...piece]
      clipped += characters.slice(0, room).join('')
      room = Math.max(0, room - characters.length)
    }
  }
  return clipped
}
