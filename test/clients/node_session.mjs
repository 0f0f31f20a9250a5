// A session of the Node driver: data, indexes, branches, the past, restore.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient, Long } from 'mongodb'

const client = new MongoClient(process.env.ARGON_URI)
await client.connect()
const name = 'node_shop'
const shop = client.db(name)
await shop.dropDatabase()
const orders = shop.collection('orders')

// Data and indexes.
const many = Array.from({ length: 250 }, (_, i) => ({ _id: i, sku: `s${i % 7}`, total: i }))
assert.equal((await orders.insertMany(many)).insertedCount, 250)
assert.equal(await orders.countDocuments({ sku: 's3' }), 36)
assert.equal(await orders.createIndex({ sku: 1, total: -1 }), 'sku_1_total_-1')
await orders.createIndex({ code: 1 }, { unique: true, sparse: true })
const top = await orders.find({ sku: 's3' }).sort({ total: -1 }).limit(3).toArray()
assert.deepEqual(top.map(d => d.total), [248, 241, 234])
assert.equal((await orders.find().batchSize(20).toArray()).length, 250) // through getMore
await orders.updateOne({ _id: 1 }, { $set: { code: 'x' }, $push: { log: { $each: ['a', 'b'] } } })
await assert.rejects(orders.insertOne({ _id: 900, code: 'x' }), { code: 11000 })
assert.deepEqual(await orders.findOneAndUpdate({ _id: 2 }, { $inc: { total: 8 } }, { returnDocument: 'after' }),
  { _id: 2, sku: 's2', total: 10 })
const groups = await orders.aggregate([{ $group: { _id: '$sku', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray()
assert.equal(groups.length, 7)
assert.equal(groups[0].n, 36)
const bulk = await orders.bulkWrite([
  { insertOne: { document: { _id: 1000 } } },
  { updateOne: { filter: { _id: 1001 }, update: { $set: { a: 1 } }, upsert: true } },
  { deleteOne: { filter: { _id: 1000 } } },
])
assert.deepEqual([bulk.insertedCount, bulk.upsertedCount, bulk.deletedCount], [1, 1, 1])

// The past, by LSN.
const info = await shop.command({ historyInfo: 'main' })
const before = await orders.findOne({ _id: 3 })
await orders.updateOne({ _id: 3 }, { $set: { total: -1 } })
await orders.deleteOne({ _id: 4 })
const past = client.db(`${name}@${info.latestLsn}`).collection('orders')
assert.deepEqual(await past.findOne({ _id: 3 }), before)
assert.equal(await past.countDocuments({}), 251)
assert.equal((await past.find({ sku: 's4' }).sort({ total: -1 }).toArray()).length, 36)
await assert.rejects(past.insertOne({ _id: 1 }), { code: 166 })
await assert.rejects(client.db(`${name}@${Number(info.latestLsn) + 1000000}`).collection('orders').findOne(), { code: 246 })

// A branch is a live database.
const { branch } = await shop.command({ createBranch: 'dev' })
assert.equal(branch.name, 'dev')
const dev = client.db(`${name}~dev`).collection('orders')
assert.equal(await dev.countDocuments({}), 250)
await dev.insertOne({ _id: 'only-dev' })
await dev.updateMany({ sku: 's1' }, { $set: { sku: 'moved' } })
assert.equal(await orders.countDocuments({ sku: 'moved' }), 0)
assert.equal(await dev.countDocuments({ sku: 'moved' }), 36)
assert.deepEqual((await dev.indexes()).map(i => i.name).sort(), ['_id_', 'code_1', 'sku_1_total_-1'])
const listed = await shop.command({ listBranches: 1 })
assert.deepEqual(listed.cursor.firstBatch.map(b => b.name).sort(), ['dev', 'main'])

// The past, by age and by a snapshot session.
await sleep(2100)
const session = client.startSession({ snapshot: true })
assert.equal((await dev.find({ _id: 'only-dev' }, { session }).toArray()).length, 1)
await dev.deleteOne({ _id: 'only-dev' })
assert.equal((await dev.find({ _id: 'only-dev' }, { session }).toArray()).length, 1)
await session.endSession()
assert.equal(await dev.findOne({ _id: 'only-dev' }), null)
assert.ok(await client.db(`${name}~dev@-1s`).collection('orders').findOne({ _id: 'only-dev' }))

// Restore: preview, then in place with a backup.
const point = Long.fromNumber(Number(info.latestLsn))
const dry = await shop.command({ restoreBranch: 'main', to: point, dryRun: true })
assert.deepEqual(dry.preview.collections.find(c => c.name === 'orders'), { name: 'orders', inserts: 1, updates: 1, deletes: 0 })
const done = await shop.command({ restoreBranch: 'main', to: point })
assert.deepEqual(await orders.findOne({ _id: 3 }), before)
assert.equal(await orders.countDocuments({}), 251)
assert.equal(await client.db(`${name}~${done.backup.name ?? done.backup}`).collection('orders').countDocuments({}), 250)

// A change stream, read while the branch changes, and resumed.
const changes = orders.watch([{ $match: { operationType: { $ne: 'delete' } } }], { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable' })
const events = (async () => {
  const seen = []
  for await (const event of changes) if (seen.push(event) === 3) return seen
})()
await sleep(200) // the stream is open
await orders.insertOne({ _id: 'w', list: [1, 2] })
await orders.deleteOne({ _id: 5 })
await orders.updateOne({ _id: 'w' }, { $push: { list: 3 }, $set: { n: 1 } })
await orders.replaceOne({ _id: 'w' }, { r: 1 })
const [inserted, updated, replaced] = await events
assert.deepEqual([inserted.operationType, inserted.fullDocument], ['insert', { _id: 'w', list: [1, 2] }])
assert.deepEqual(updated.updateDescription, { updatedFields: { 'list.2': 3, n: 1 }, removedFields: [], truncatedArrays: [] })
assert.deepEqual([updated.fullDocumentBeforeChange, updated.fullDocument], [{ _id: 'w', list: [1, 2] }, { _id: 'w', list: [1, 2, 3], n: 1 }])
assert.deepEqual(replaced.ns, { db: name, coll: 'orders' })
const again = shop.watch([], { resumeAfter: updated._id })
assert.deepEqual((await again.next())._id, replaced._id)
await again.close()

await client.close()
