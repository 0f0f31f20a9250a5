// Mongoose's own features: populate, discriminators, transactions, timestamps,
// indexes made and synchronised, virtuals, middleware, versions, cursors, bulk saves.
import assert from 'node:assert/strict'
import mongoose, { Schema } from 'mongoose'

const conn = await mongoose.createConnection(`${process.env.ARGON_URI}mongoose_features`).asPromise()
await conn.dropDatabase()

// Populate: by reference, nested, virtual, with a match.
const User = conn.model('User', new Schema({ name: String, friends: [{ type: Schema.Types.ObjectId, ref: 'User' }] }, { toObject: { virtuals: true } })
  .add({}).set('id', false))
const postSchema = new Schema({ title: String, by: { type: Schema.Types.ObjectId, ref: 'User' }, comments: [{ text: String, by: { type: Schema.Types.ObjectId, ref: 'User' } }] }, { timestamps: true })
const Post = conn.model('Post', postSchema)
User.schema.virtual('posts', { ref: 'Post', localField: '_id', foreignField: 'by' })
const [ann, bob] = await User.create([{ name: 'Ann' }, { name: 'Bob' }])
ann.friends.push(bob)
await ann.save()
await Post.create([{ title: 'one', by: ann, comments: [{ text: 'hi', by: bob }] }, { title: 'two', by: ann }, { title: 'three', by: bob }])
const post = await Post.findOne({ title: 'one' }).populate({ path: 'by', populate: 'friends' }).populate('comments.by')
assert.deepEqual([post.by.name, post.by.friends[0].name, post.comments[0].by.name], ['Ann', 'Bob', 'Bob'])
const withPosts = await User.findOne({ name: 'Ann' }).populate({ path: 'posts', match: { title: /^t/ }, options: { sort: { title: -1 } } })
assert.deepEqual(withPosts.posts.map(p => p.title), ['two'])

// Timestamps.
const { createdAt, updatedAt } = post
assert.ok(createdAt instanceof Date && +createdAt === +updatedAt)
await Post.updateOne({ _id: post._id }, { title: 'changed' })
const changed = await Post.findById(post._id)
assert.ok(+changed.createdAt === +createdAt && changed.updatedAt >= updatedAt)
const upserted = await Post.findOneAndUpdate({ title: 'new' }, { $set: { title: 'new' } }, { upsert: true, new: true })
assert.ok(upserted.createdAt)

// Discriminators, also embedded.
const Shape = conn.model('Shape', new Schema({ name: String }, { discriminatorKey: 'kind' }))
const Circle = Shape.discriminator('Circle', new Schema({ r: Number }))
const Square = Shape.discriminator('Square', new Schema({ side: Number }))
await Shape.create([{ kind: 'Circle', name: 'c', r: 1 }, { kind: 'Square', name: 's', side: 2 }])
assert.equal(await Circle.countDocuments(), 1)
assert.ok((await Shape.findOne({ side: 2 })) instanceof Square)
const batch = new Schema({ events: [new Schema({ at: Number }, { discriminatorKey: 'kind', _id: false })] })
batch.path('events').discriminator('Clicked', new Schema({ element: String }, { _id: false }))
const Batch = conn.model('Batch', batch)
const saved = await Batch.create({ events: [{ kind: 'Clicked', at: 1, element: '#a' }] })
assert.equal((await Batch.findById(saved)).events[0].element, '#a')

// Indexes: autoIndex, TTL, text, compound unique, syncIndexes.
const thing = new Schema({ a: { type: Number, index: true }, b: { type: String, unique: true }, text: String, until: { type: Date, expires: 3600 } })
thing.index({ a: 1, b: -1 }, { unique: true, partialFilterExpression: { a: { $gt: 0 } } })
thing.index({ text: 'text' })
const Thing = conn.model('Thing', thing)
await Thing.init()
assert.deepEqual((await Thing.listIndexes()).map(i => i.name).sort(), ['_id_', 'a_1', 'a_1_b_-1', 'b_1', 'text_text', 'until_1'])
await Thing.create({ a: 1, b: 'x', text: 'the quick brown fox' })
assert.equal((await Thing.find({ $text: { $search: 'foxes' } })).length, 1)
await Thing.collection.createIndex({ extra: 1 })
assert.deepEqual(await Thing.syncIndexes(), ['extra_1'])
assert.deepEqual(await Thing.diffIndexes(), { toDrop: [], toCreate: [] })

// Transactions: connection.transaction, sessions of documents, an abort resets them.
await conn.transaction(async session => {
  const [u] = await User.create([{ name: 'Cid' }], { session })
  await Post.create([{ title: 'by Cid', by: u }], { session })
})
assert.equal(await User.countDocuments({ name: 'Cid' }), 1)
const doc = new User({ name: 'never' })
await assert.rejects(conn.transaction(async session => {
  await doc.save({ session })
  throw new Error('no')
}), /no/)
assert.equal(await User.countDocuments({ name: 'never' }), 0)
assert.ok(doc.isNew)
await doc.save()
const session = await conn.startSession()
session.startTransaction()
const held = await User.findOne({ name: 'Bob' }).session(session)
held.name = 'Rob'
await held.save()
assert.equal(await User.countDocuments({ name: 'Rob' }), 0)
await session.commitTransaction()
await session.endSession()
assert.equal(await User.countDocuments({ name: 'Rob' }), 1)

// Versions and optimistic concurrency.
const Counter = conn.model('Counter', new Schema({ n: Number, list: [Number] }, { optimisticConcurrency: true }))
const first = await Counter.create({ n: 0, list: [1, 2, 3] })
const [x, y] = [await Counter.findById(first), await Counter.findById(first)]
x.n = 1
await x.save()
y.n = 2
await assert.rejects(y.save(), { name: 'VersionError' })

// Arrays, maps, subdocuments, casts, queries.
const Rich = conn.model('Rich', new Schema({ m: { type: Map, of: Number }, d: Schema.Types.Decimal128, big: BigInt, u: Schema.Types.UUID, buf: Buffer, sub: { deep: { k: [String] } }, any: {} }, { minimize: false }))
const rich = await Rich.create({ m: { a: 1 }, d: '1.50', big: 9007199254740993n, u: '0a7ba6aa-04dc-4ecd-a6b2-9b3c4d5e6f70', buf: Buffer.from('b'), sub: { deep: { k: ['x'] } }, any: {} })
rich.m.set('b', 2)
rich.sub.deep.k.push('y')
await rich.save()
const again = await Rich.findOne({ 'm.b': 2, d: '1.5', u: '0a7ba6aa-04dc-4ecd-a6b2-9b3c4d5e6f70' })
assert.deepEqual([again.m.get('b'), again.d.toString(), again.big, again.sub.deep.k.length], [2, '1.50', 9007199254740993n, 2])
assert.deepEqual(await Post.aggregate([{ $group: { _id: '$by', n: { $sum: 1 } } }, { $lookup: { from: 'users', localField: '_id', foreignField: '_id', as: 'u' } }, { $match: { 'u.name': 'Ann' } }, { $project: { _id: 0, n: 1 } }]), [{ n: 2 }])
let seen = 0
for await (const p of Post.find().sort('title').cursor({ batchSize: 2 })) seen += p ? 1 : 0
assert.equal(seen, await Post.countDocuments())
const wrote = await Post.bulkWrite([{ insertOne: { document: { title: 'bulk' } } }, { updateMany: { filter: { title: 'bulk' }, update: { $set: { title: 'bulk 2' } } } }])
assert.ok(wrote.insertedCount === 1 && (await Post.findOne({ title: 'bulk 2' })).createdAt)
const many = await Post.find({ title: /bulk/ })
many.forEach(p => { p.title = 'saved' })
await Post.bulkSave(many)
assert.equal(await Post.countDocuments({ title: 'saved' }), 1)
assert.equal((await Post.exists({ title: 'saved' }))._id.toString(), many[0]._id.toString())
assert.equal((await Post.findOneAndDelete({ title: 'saved' })).title, 'saved')
assert.ok(await Post.estimatedDocumentCount() > 0)
await conn.createCollection('capped', { capped: true, size: 4096 })
assert.ok((await conn.listCollections()).some(c => c.name === 'capped'))
await conn.close()
