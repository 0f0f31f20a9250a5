// The Node driver's own features: transactions, bulk writes over namespaces, GridFS,
// retries over fail points, monitoring.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GridFSBucket, MongoClient, MongoServerError } from 'mongodb'

const client = new MongoClient(process.env.ARGON_URI, { monitorCommands: true })
const sent = []
client.on('commandStarted', e => sent.push(e.commandName))
await client.connect()
const db = client.db('node_features')
await db.dropDatabase()
const c = db.collection('c')

// Transactions: commit, abort, withTransaction with conflicts, over branches.
await c.insertMany([{ _id: 1, n: 100 }, { _id: 2, n: 100 }])
await client.withSession(async session => {
  session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } })
  await c.updateOne({ _id: 1 }, { $inc: { n: -10 } }, { session })
  await c.updateOne({ _id: 2 }, { $inc: { n: 10 } }, { session })
  assert.equal((await c.findOne({ _id: 1 })).n, 100)
  await session.commitTransaction()
  await session.commitTransaction()
  session.startTransaction()
  await c.deleteMany({}, { session })
  await session.abortTransaction()
})
assert.equal(await c.countDocuments(), 2)
await Promise.all(Array.from({ length: 8 }, () => client.withSession(s => s.withTransaction(async session => {
  const { n } = await c.findOne({ _id: 1 }, { session })
  await c.updateOne({ _id: 1 }, { $set: { n: n + 1 } }, { session })
}))))
assert.equal((await c.findOne({ _id: 1 })).n, 98)
await db.command({ createBranch: 'dev' })
const dev = client.db('node_features~dev').collection('c')
await client.withSession(s => s.withTransaction(async session => {
  await c.insertOne({ _id: 'both' }, { session })
  await dev.insertOne({ _id: 'both' }, { session })
}))
assert.deepEqual([await c.countDocuments({ _id: 'both' }), await dev.countDocuments({ _id: 'both' })], [1, 1])
await assert.rejects(client.withSession(s => s.withTransaction(async session => {
  await c.insertOne({ _id: 'gone' }, { session })
  await c.insertOne({ _id: 1 }, { session })
})), { code: 11000 })
assert.equal(await c.findOne({ _id: 'gone' }), null)
await client.withSession(s => s.withTransaction(async session => {
  const made = await db.createCollection('made', { session })
  await made.createIndex({ x: 1 }, { session })
  await made.insertOne({ x: 1 }, { session })
}))
assert.deepEqual((await db.collection('made').indexes()).map(i => i.name), ['_id_', 'x_1'])

// A bulk write over several namespaces.
const bulk = await client.bulkWrite([
  { name: 'insertOne', namespace: 'node_features.b1', document: { _id: 1 } },
  { name: 'updateOne', namespace: 'node_features.b2', filter: { _id: 1 }, update: { $set: { x: 1 } }, upsert: true },
  { name: 'updateMany', namespace: 'node_features.b1', filter: {}, update: { $set: { y: 1 } } },
  { name: 'replaceOne', namespace: 'node_features.b2', filter: { _id: 1 }, replacement: { z: 1 } },
  { name: 'deleteOne', namespace: 'node_features.b1', filter: { _id: 1 } },
], { verboseResults: true })
assert.deepEqual([bulk.insertedCount, bulk.upsertedCount, bulk.matchedCount, bulk.modifiedCount, bulk.deletedCount], [1, 1, 2, 2, 1])
assert.equal(bulk.updateResults.get(1).upsertedId, 1)
await assert.rejects(client.bulkWrite([
  { name: 'insertOne', namespace: 'node_features.b2', document: { _id: 1 } },
  { name: 'insertOne', namespace: 'node_features.b2', document: { _id: 2 } },
], { ordered: false }), e => e.writeErrors.get(0).code === 11000 && e.partialResult.insertedCount === 1)
const big = await client.bulkWrite(Array.from({ length: 5000 }, (_, i) => ({ name: 'insertOne', namespace: 'node_features.big', document: { _id: i, pad: 'x'.repeat(200) } })), { verboseResults: true })
assert.equal(big.insertResults.size, 5000) // through the cursor of the reply

// GridFS.
const bucket = new GridFSBucket(db, { chunkSizeBytes: 1000 })
const data = Buffer.alloc(100_000, 'argon')
await pipeline(Readable.from(data), bucket.openUploadStream('file', { metadata: { a: 1 } }))
const parts = []
for await (const part of bucket.openDownloadStreamByName('file', { start: 10, end: 50_010 })) parts.push(part)
assert.deepEqual(Buffer.concat(parts), data.subarray(10, 50_010))
const [file] = await bucket.find({}).toArray()
await bucket.rename(file._id, 'renamed')
assert.equal((await bucket.find({ filename: 'renamed' }).toArray())[0].length, 100_000)
await bucket.delete(file._id)
assert.equal(await db.collection('fs.chunks').countDocuments(), 0)

// Retries: the server's labels make the driver send again.
const failing = (commands, data, times = 1) => client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times }, data: { failCommands: commands, ...data } })
await failing(['insert'], { closeConnection: true })
await c.insertOne({ _id: 'closed' })
await failing(['update'], { errorCode: 10107 })
assert.equal((await c.updateOne({ _id: 'closed' }, { $inc: { n: 1 } })).modifiedCount, 1)
await failing(['find'], { errorCode: 11602 })
assert.equal((await c.findOne({ _id: 'closed' })).n, 1)
await failing(['insert'], { errorCode: 8, errorLabels: ['Mine'] })
await assert.rejects(c.insertOne({}), e => e instanceof MongoServerError && e.hasErrorLabel('Mine'))
sent.length = 0
await failing(['commitTransaction'], { errorCode: 11602, errorLabels: ['RetryableWriteError'] }, 2)
await client.withSession(s => s.withTransaction(session => c.insertOne({ _id: 'committed' }, { session })))
assert.equal(sent.filter(n => n === 'commitTransaction').length, 3)

// Cursors, sorts of updates, collation, explain, index management.
assert.equal((await c.updateOne({ n: { $exists: true } }, { $set: { last: true } }, { sort: { _id: -1 } })).modifiedCount, 1)
assert.equal(await c.countDocuments({ _id: 'CLOSED' }, { collation: { locale: 'en', strength: 2 } }), 1)
assert.ok((await c.find({ _id: 1 }).explain('executionStats')).executionStats)
assert.equal((await db.runCursorCommand({ find: 'big', batchSize: 100 }).toArray()).length, 5000)
await assert.rejects(c.createSearchIndex({ definition: { mappings: { dynamic: true } } }), /Atlas/)
for await (const d of db.collection('big').aggregate([{ $match: { _id: { $lt: 500 } } }], { batchSize: 50 })) assert.ok(d.pad)
await assert.rejects(c.find({}, { maxTimeMS: 1 }).filter({ $expr: { $gt: [{ $sum: { $range: [0, 1_000_000] } }, -1] } }).toArray(), { code: 50 })

await client.close()
