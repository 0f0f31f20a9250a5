// A session of mongosh, whose current database is mongosh_shop.
const assert = require('assert')

try { db.runCommand({ dropProject: 1 }) } catch (e) { assert.equal(e.code, 26) } // begin anew
db.orders.insertMany([{ _id: 1, sku: 'a', total: 25 }, { _id: 2, sku: 'b', total: 40 }, { _id: 3, sku: 'a', total: 5 }])
db.orders.createIndex({ sku: 1 })
assert.deepEqual(db.orders.find({ sku: 'a' }).sort({ total: 1 }).toArray().map(d => d.total), [5, 25])
assert.equal(db.orders.find({ sku: 'a' }).explain().queryPlanner.winningPlan.inputStage.stage, 'IXSCAN')
assert.equal(db.orders.updateOne({ _id: 1 }, { $inc: { total: 1 } }).modifiedCount, 1)
assert.deepEqual(show_names(db.getCollectionInfos()), ['orders'])
assert.ok(db.adminCommand({ listDatabases: 1 }).databases.some(d => d.name === 'mongosh_shop'))
assert.equal(db.orders.stats().count, 3)
assert.ok(db.version())
assert.ok(db.serverStatus().uptime >= 0)
assert.ok(db.hello().isWritablePrimary)

const lsn = db.runCommand({ historyInfo: 'main' }).latestLsn
const at = db.runCommand({ ping: 1 }).operationTime
db.orders.updateOne({ _id: 1 }, { $set: { total: 0 } })
db.orders.deleteOne({ _id: 2 })
assert.deepEqual(db.getSiblingDB(`mongosh_shop@${lsn}`).orders.find().sort({ _id: 1 }).toArray().map(d => d.total), [26, 40, 5])

// The same past through readConcern, without Argon's names.
const snap = db.runCommand({ find: 'orders', filter: {}, sort: { _id: 1 }, readConcern: { level: 'snapshot', atClusterTime: at } })
assert.deepEqual(snap.cursor.firstBatch.map(d => d.total), [26, 40, 5])

assert.equal(db.runCommand({ createBranch: 'dev', note: 'try prices' }).branch.name, 'dev')
const dev = db.getSiblingDB('mongosh_shop~dev')
dev.orders.insertOne({ _id: 9, sku: 'z', total: 1 })
assert.equal(dev.orders.countDocuments(), 3)
assert.equal(db.orders.countDocuments(), 2)
assert.deepEqual(dev.orders.aggregate([
  { $lookup: { from: 'orders', localField: 'sku', foreignField: 'sku', as: 'same' } },
  { $project: { n: { $size: '$same' } } }, { $sort: { _id: 1 } }]).toArray(), [{ _id: 1, n: 2 }, { _id: 3, n: 2 }, { _id: 9, n: 1 }])

const tag = db.runCommand({ createTag: 'v1', note: 'first' }).tag
assert.equal(tag.name, 'v1')
db.orders.deleteMany({})
assert.equal(db.getSiblingDB('mongosh_shop@v1').orders.countDocuments(), 2)
sleep(1500)
const recent = db.runCommand({ branchLog: 'main', limit: 1 }).cursor.firstBatch
assert.equal(recent.length, 1)
assert.equal(recent[0].ops[0].ns, 'mongosh_shop.orders')
assert.equal(db.getSiblingDB('mongosh_shop@-1s').orders.countDocuments(), 0)

const preview = db.runCommand({ restoreBranch: 'main', to: 'v1', dryRun: true }).preview
assert.deepEqual(preview.collections.map(c => ({ name: c.name, inserts: Number(c.inserts), updates: Number(c.updates), deletes: Number(c.deletes) })), [{ name: 'orders', inserts: 2, updates: 0, deletes: 0 }])
db.runCommand({ restoreBranch: 'main', to: 'v1' })
assert.equal(db.orders.countDocuments(), 2)
let refused
try { db.getSiblingDB('mongosh_shop@v1').orders.insertOne({}) } catch (e) { refused = e.code }
assert.equal(refused, 166)

function show_names (infos) { return infos.map(i => i.name).sort() }

// Transactions, a bulk write over namespaces, sessions and change streams.
const session = db.getMongo().startSession()
const inTxn = session.getDatabase('mongosh_txn')
inTxn.dropDatabase()
session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } })
inTxn.c.insertOne({ _id: 1 })
assert(db.getSiblingDB('mongosh_txn').c.countDocuments() === 0)
session.commitTransaction()
assert(db.getSiblingDB('mongosh_txn').c.countDocuments() === 1)
session.startTransaction()
inTxn.c.deleteOne({ _id: 1 })
session.abortTransaction()
session.withTransaction(() => { inTxn.c.updateOne({ _id: 1 }, { $set: { x: 1 } }) })
assert(db.getSiblingDB('mongosh_txn').c.findOne().x === 1)
session.endSession()
const done = db.adminCommand({ bulkWrite: 1, ops: [{ insert: 0, document: { _id: 2 } }, { delete: 0, filter: { _id: 1 } }], nsInfo: [{ ns: 'mongosh_txn.c' }] })
assert(done.nInserted === 1 && done.nDeleted === 1)
assert(db.getSiblingDB('admin').aggregate([{ $listLocalSessions: {} }]).toArray().length > 0)
db.getSiblingDB('mongosh_txn').dropDatabase()
