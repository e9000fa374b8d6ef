// check.mjs LISTED FOUND   compares the differences from the reference that are explained with those that were found.
import { readFileSync } from 'node:fs'

const [listedFile, foundFile] = process.argv.slice(2)

/** The names in the list: `- name: why`. */
const listed = new Map()
for (const line of readFileSync(listedFile, 'utf8').split('\n')) {
  const [, name, why] = /^- `([^`]+)`: (.+)$/.exec(line) ?? []
  if (!name) {
    if (line.startsWith('- ')) throw new Error(`not a line of the form "- \`name\`: why": ${line}`)
    continue
  }
  if (listed.has(name)) throw new Error(`listed twice: ${name}`)
  listed.set(name, why)
}

/** What was found: `LEVEL name what`. */
const found = new Map()
for (const line of readFileSync(foundFile, 'utf8').split('\n')) {
  const [, level, name, what] = /^(STATUS|ERROR|BODY|HEADERS|MISSING) +(\S+) *(.*)$/.exec(line) ?? []
  if (name) found.set(name, `${level} ${what}`)
}

const unexplained = [...found].filter(([name]) => !listed.has(name))
const outdated = [...listed.keys()].filter((name) => !found.has(name))
for (const [name, what] of unexplained) console.error(`not explained: ${name}\n  ${what}`)
for (const name of outdated) console.error(`differs no more, take it off the list: ${name}`)
const later = [...listed.values()].filter((why) => why.startsWith('later: ')).length
console.log(`golden answers: ${found.size} differ, ${unexplained.length} of them not explained; ${later} listed for later, ${outdated.length} outdated`)
process.exitCode = unexplained.length + outdated.length === 0 ? 0 : 1
