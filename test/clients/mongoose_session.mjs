// A session of Mongoose: schema, validation, indexes, populate, a branch.
import assert from 'node:assert/strict'
import mongoose from 'mongoose'

const base = process.env.ARGON_URI
const name = 'mongoose_shop'
const main = await mongoose.createConnection(`${base}${name}`).asPromise()
await main.dropDatabase()

const authorSchema = new mongoose.Schema({ name: { type: String, required: true, unique: true } })
const bookSchema = new mongoose.Schema({
  title: String, pages: { type: Number, min: 1 }, tags: [String],
  author: { type: mongoose.Schema.Types.ObjectId, ref: 'Author' },
}, { timestamps: true })
bookSchema.index({ title: 1, pages: -1 })
const models = c => ({ Author: c.model('Author', authorSchema), Book: c.model('Book', bookSchema) })

const { Author, Book } = models(main)
await Promise.all([Author.init(), Book.init()])
const author = await Author.create({ name: 'Mary' })
await Book.create([{ title: 'A', pages: 10, author: author._id, tags: ['x', 'y'] }, { title: 'B', pages: 20, author: author._id }])
await assert.rejects(Author.create({ name: 'Mary' }), e => e.code === 11000)
await assert.rejects(Book.create({ title: 'C', pages: 0 }), { name: 'ValidationError' })
const book = await Book.findOne({ tags: 'y' }).populate('author')
assert.equal(book.author.name, 'Mary')
book.pages = 11
book.tags.push('z')
await book.save()
assert.deepEqual((await Book.findById(book._id).lean()).tags, ['x', 'y', 'z'])
assert.equal((await Book.find({ pages: { $gte: 11 } }).sort('-pages')).length, 2)
assert.equal(await Book.countDocuments(), 2)
assert.deepEqual(await Book.distinct('title'), ['A', 'B'])

const { latestLsn } = await main.db.command({ historyInfo: 'main' })
await main.db.command({ createBranch: 'dev' })
const dev = await mongoose.createConnection(`${base}${name}~dev`).asPromise()
const onDev = models(dev)
await onDev.Book.deleteMany({ pages: { $lt: 15 } })
assert.equal(await onDev.Book.countDocuments(), 1)
assert.equal(await Book.countDocuments(), 2)

await Book.updateMany({}, { $inc: { pages: 100 } })
const past = main.useDb(`${name}@${latestLsn}`)
assert.deepEqual((await past.model('Book', bookSchema, undefined, { overwriteModels: true }).find().sort('title').lean()).map(b => b.pages), [11, 20])
await main.db.command({ restoreBranch: 'main', to: latestLsn })
assert.deepEqual((await Book.find().sort('title').lean()).map(b => b.pages), [11, 20])

await dev.close()
await main.close()
