type Labels = Readonly<Record<string, string>>
type Requirement = (labels: Labels) => boolean

/** `in (a, b)`: the comma inside belongs to it. */
const BETWEEN_REQUIREMENTS = /,(?![^(]*\))/
const SET = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/
const EQUAL = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/
const PRESENT = /^(!?)\s*([^=!\s(),]+)$/

/**
 * The test that a label selector of Kubernetes stands for, equality and sets both; null where it is
 * none. An empty one takes everything. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
 */
export function labelSelector(text: string): Requirement | null {
  const requirements: Requirement[] = []
  for (const part of text.split(BETWEEN_REQUIREMENTS)) {
    if (part.trim() === '') continue
    const requirement = requirementOf(part.trim())
    if (requirement === null) return null
    requirements.push(requirement)
  }
  return (labels) => requirements.every((holds) => holds(labels))
}

function requirementOf(part: string): Requirement | null {
  const set = SET.exec(part)
  if (set !== null) {
    const [, label = '', operator, list = ''] = set
    const values = new Set(list.split(',').map((value) => value.trim()))
    const isIn = (labels: Labels): boolean => values.has(labels[label] ?? NOWHERE)
    return operator === 'in' ? isIn : (labels) => !isIn(labels)
  }
  const equal = EQUAL.exec(part)
  if (equal !== null) {
    const [, label = '', operator, value] = equal
    return operator === '!='
      ? (labels) => labels[label] !== value
      : (labels) => labels[label] === value
  }
  const present = PRESENT.exec(part)
  if (present === null) return null
  const [, not, label = ''] = present
  return (labels) => label in labels === (not === '')
}

/** No label has such a value. */
const NOWHERE = '\0'
