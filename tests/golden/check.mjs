// check.mjs LISTED FOUND REFERENCE OURS   compares the differences from the reference that are explained with those that were found: FOUND is
// what golden-diff.mjs says of the recorded answers in the directories REFERENCE and OURS.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const [listedFile, foundFile, referenceDirectory, oursDirectory] = process.argv.slice(2)

/** The list: of each name in how it differs, and why; `- name (how): why`. */
const listed = new Map()
for (const line of readFileSync(listedFile, 'utf8').split('\n')) {
  const [, name, how, why] = /^- `([^`]+)` \(([^()]+)\): (.+)$/.exec(line) ?? []
  if (!name) {
    if (line.startsWith('- ')) throw new Error(`not a line of the form "- \`name\` (how): why": ${line}`)
    continue
  }
  if (listed.has(name)) throw new Error(`listed twice: ${name}`)
  listed.set(name, { how, why })
}

const answers = (directory) => {
  const files = readdirSync(directory).filter((file) => /^\d+-/.test(file))
  const calls = files.map((file) => JSON.parse(readFileSync(join(directory, file), 'utf8')))
  return new Map(calls.map((call) => [call.name, call.response]))
}
const reference = answers(referenceDirectory)
const ours = answers(oursDirectory)

/** Where two values differ: paths, with `[]` for any place in a list. */
function* differing(one, other, path) {
  if (JSON.stringify(one) === JSON.stringify(other)) return
  const [first, second] = [one, other].map((value) => (value && typeof value === 'object' ? value : undefined))
  if (!first || !second || Array.isArray(first) !== Array.isArray(second)) {
    yield path
    return
  }
  if (first.length !== second.length) yield `${path}.length`
  for (const key of new Set([...Object.keys(first), ...Object.keys(second)])) {
    yield* differing(first[key], second[key], `${path}${Array.isArray(first) ? '[]' : `.${key}`}`)
  }
}

/** Where more places differ, only the parts of the body are told. */
const FEW = 8
const rough = (path) => path.split(/[.[]/).slice(0, 2).join('.')

/** In how our answer differs: status and error by value, all else by its place. */
function how(name) {
  const [theirs, own] = [reference.get(name), ours.get(name)]
  if (!own) return 'missing'
  const told = []
  if (theirs.status !== own.status) told.push(`status ${theirs.status} → ${own.status}`)
  if (theirs.body?.error !== own.body?.error) told.push(`error ${theirs.body?.error ?? 'none'} → ${own.body?.error ?? 'none'}`)
  if (told.length > 0) return told.join(', ')
  const places = [...new Set(differing(theirs.body, own.body, 'body'))]
  return (places.length > FEW ? [...new Set(places.map(rough))] : places).join(', ')
}

/** What was found: `LEVEL name what`. */
const found = new Map()
for (const line of readFileSync(foundFile, 'utf8').split('\n')) {
  const [, name] = /^(?:STATUS|ERROR|BODY|HEADERS|MISSING) +(\S+)/.exec(line) ?? []
  if (name) found.set(name, how(name))
}

const unexplained = [...found].filter(([name, how]) => listed.get(name)?.how !== how)
const outdated = [...listed.keys()].filter((name) => !found.has(name))
for (const [name, how] of unexplained) console.error(`not explained: \`${name}\` (${how})`)
for (const name of outdated) console.error(`differs no more, take it off the list: ${name}`)
const later = [...listed.values()].filter(({ why }) => why.startsWith('later: ')).length
console.log(`golden answers: ${found.size} differ, ${unexplained.length} of them not explained; ${later} listed for later, ${outdated.length} outdated`)
process.exitCode = unexplained.length + outdated.length === 0 ? 0 : 1
