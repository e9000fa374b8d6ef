// node generate.mjs [--check] PACKAGE     (Node 22; PACKAGE is the unpacked folder of the npm package @atproto/pds)
//
// Writes the schema of every record that the reference implementation validates, of an account's preferences, and of all they
// refer to, as one JSON document per NSID, and bundle.rs, which lists them for the crate atproto-lexicon. With --check it writes nothing and
// fails if a file differs from what it would write.
//
// The package holds its schemas as code that calls a builder, `l`, of another package. Here `l` is replaced by one that
// records the calls, in the lexicon language: only names, types and constraints are left, no prose.
// Specification: https://atproto.com/specs/lexicon
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const check = process.argv[2] === '--check'
const packageFolder = process.argv[check ? 3 : 2]
if (!packageFolder || !existsSync(join(packageFolder, 'dist/lexicons'))) {
  console.error('usage: node generate.mjs [--check] PACKAGE, the unpacked folder of the npm package @atproto/pds')
  process.exit(2)
}

/** A schema in the lexicon language, and whether the property that holds it may be absent or null. */
class Schema {
  constructor(json, { optional = false, nullable = false } = {}) {
    Object.assign(this, { json, optional, nullable })
  }
}
for (const name of ['assert', 'build', 'cast', 'check', 'ifMatches', 'isTypeOf', 'matches', 'parse', 'safeParse',
  'safeValidate', 'validate']) {
  Schema.prototype[name] = () => {}
}

const type = (name) => (options = {}) => new Schema({ type: name, ...options })

const scalar = (values) => ({ string: 'string', number: 'integer', boolean: 'boolean' })[typeof values[0]]

function object(shape) {
  const keys = Object.keys(shape)
  const required = keys.filter((key) => !shape[key].optional)
  const nullable = keys.filter((key) => shape[key].nullable)
  return new Schema({
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(nullable.length > 0 && { nullable }),
    properties: Object.fromEntries(keys.map((key) => [key, shape[key].json])),
  })
}

const builder = {
  array: (items, options = {}) => new Schema({ type: 'array', items: items.json, ...options }),
  blob: type('blob'),
  boolean: type('boolean'),
  bytes: type('bytes'),
  cid: type('cid-link'),
  enum: (values) => new Schema({ type: scalar(values), enum: values }),
  integer: type('integer'),
  lexMap: type('unknown'),
  literal: (value) => new Schema({ type: scalar([value]), const: value }),
  nullable: ({ json }) => new Schema(json, { nullable: true }),
  object,
  optional: ({ json, nullable }) => new Schema(json, { nullable, optional: true }),
  record: (key, _nsid, record) => new Schema({ type: 'record', key, record: record.json }),
  // What is referred to may be in a module that is not loaded yet: the name is filled in later.
  ref: (target) => new Schema({ type: 'ref', ref: target }),
  string: type('string'),
  token: () => new Schema({ type: 'token' }),
  typedObject: (_nsid, _name, { json }) => new Schema(json),
  typedRef: (target) => target,
  typedUnion: (refs, closed) => new Schema({ type: 'union', refs, ...(closed && { closed }) }),
  withDefault: ({ json }, value) => new Schema({ ...json, default: value }),
}
// Methods and permission sets are no part of a record.
for (const name of ['jsonPayload', 'params', 'payload', 'permission', 'permissionSet', 'procedure', 'query',
  'subscription']) {
  builder[name] = () => ({})
}
globalThis.recordingBuilder = builder
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@atproto/lex'
      ? { url: 'data:text/javascript,export const l = globalThis.recordingBuilder', shortCircuit: true }
      : next(specifier, context),
})

/** The definitions of the package by their full names, such as `app.bsky.feed.post#replyRef`, as JSON. */
async function load() {
  const names = new Map()
  for (const file of globSync('dist/lexicons/**/*.defs.js', { cwd: packageFolder }).sort()) {
    const module = await import(pathToFileURL(join(packageFolder, file)))
    for (const [name, schema] of Object.entries(module)) {
      if (schema instanceof Schema) names.set(schema, `${module.$nsid}#${name}`)
    }
  }
  const resolve = (_key, value) => (typeof value === 'function' ? short(names.get(value())) : value)
  return new Map([...names].map(([{ json }, name]) => [name, JSON.parse(JSON.stringify(json, resolve))]))
}

const short = (name) => name.replace(/#main$/, '')

function* references(json) {
  if (json.type === 'ref') yield json.ref
  if (json.type === 'union') yield* json.refs
  if (json.items) yield* references(json.items)
  if (json.record) yield* references(json.record)
  for (const property of Object.values(json.properties ?? {})) yield* references(property)
}

/** What the preferences of an account have to be. */
const preferences = 'app.bsky.actor.defs#preferences'

/** The records, the preferences and all they refer to. */
function reachable(definitions) {
  const found = new Set()
  const queue = [...definitions.keys()].filter((name) => definitions.get(name).type === 'record' || name === preferences)
  for (const name of queue) {
    if (found.has(name)) continue
    found.add(name)
    for (const reference of references(definitions.get(name))) {
      queue.push(reference.includes('#') ? reference : `${reference}#main`)
    }
  }
  return [...found].sort()
}

/** The content of every file by its path in this folder. */
function files(definitions) {
  const documents = new Map()
  for (const name of reachable(definitions)) {
    const [id, definition] = name.split('#')
    if (!documents.has(id)) documents.set(id, { lexicon: 1, id, defs: {} })
    documents.get(id).defs[definition] = definitions.get(name)
  }
  const contents = new Map()
  for (const [id, document] of documents) {
    contents.set(`${id.replaceAll('.', '/')}.json`, `${JSON.stringify(document, null, 2)}\n`)
  }
  const includes = [...contents.keys()].map((path) => `    include_str!("${path}"),\n`)
  contents.set('bundle.rs', `// Generated by generate.mjs.\n&[\n${includes.join('')}]\n`)
  return contents
}

const contents = files(await load())
const stale = globSync('**/*.json', { cwd: here }).filter((path) => !contents.has(path))
const read = (path) => (existsSync(join(here, path)) ? readFileSync(join(here, path), 'utf8') : undefined)
const differing = [...contents.keys()].filter((path) => read(path) !== contents.get(path))
if (check) {
  for (const path of stale) console.error(`lexicons/${path}: no longer in the package`)
  for (const path of differing) console.error(`lexicons/${path}: out of date`)
  if (stale.length + differing.length > 0) process.exit(1)
  console.log(`lexicons: ${contents.size - 1} documents are up to date`)
} else {
  for (const path of stale) rmSync(join(here, path))
  for (const path of differing) {
    mkdirSync(dirname(join(here, path)), { recursive: true })
    writeFileSync(join(here, path), contents.get(path))
  }
  console.log(`lexicons: ${contents.size - 1} documents, ${differing.length} files written, ${stale.length} removed`)
}
