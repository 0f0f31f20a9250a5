// Change streams through the Node driver.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { MongoClient } from 'mongodb'

const client = new MongoClient(process.env.ARGON_URI)
await client.connect()
const db = client.db('node_streams')
const c = db.collection('c')
await c.insertOne({ _id: 0, n: 1 })
const failNext = (command, errorCode) => client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data: { failCommands: [command], errorCode } })

const stream = c.watch([], { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable', maxAwaitTimeMS: 500 })
assert.equal(await stream.tryNext(), null)
await c.updateOne({ _id: 0 }, { $inc: { n: 1 } })
const event = await stream.next()
assert.deepEqual(event.updateDescription, { updatedFields: { n: 2 }, removedFields: [], truncatedArrays: [] })
assert.equal(event.fullDocument.n, 2)
assert.equal(event.fullDocumentBeforeChange.n, 1)
assert.ok(event.wallTime instanceof Date)
await failNext('getMore', 10107) // the driver resumes by itself
await c.insertOne({ _id: 1 })
assert.deepEqual((await stream.next()).documentKey, { _id: 1 })
const token = stream.resumeToken
await stream.close()

// As an event emitter, resumed.
await c.insertMany([{ _id: 2 }, { _id: 3 }])
const emitter = db.watch([{ $match: { 'ns.coll': 'c' } }, { $project: { documentKey: 1 } }], { resumeAfter: token })
for (const _id of [2]) {
  const [change] = await once(emitter, 'change')
  assert.deepEqual(change.documentKey, { _id })
}
await emitter.close()

// As an async iterator, on the whole server, from a time on.
const at = event.clusterTime
const ids = []
for await (const change of client.watch([{ $match: { 'ns.db': 'node_streams' } }], { startAtOperationTime: at })) {
  ids.push(change.documentKey._id)
  if (change.documentKey._id === 3) break
}
assert.deepEqual(ids, [0, 1, 2, 3])

await assert.rejects(c.watch([], { resumeAfter: { _data: '8201' } }).next(), { code: 260 })
await assert.rejects(c.watch([{ $group: { _id: 1 } }]).next(), { code: 20 })

// The end of a collection is the end of its stream.
const last = c.watch()
await last.tryNext()
await c.drop()
assert.equal((await last.next()).operationType, 'drop')
assert.equal((await last.next()).operationType, 'invalidate')
assert.equal(last.closed, true)
await client.close()
