// A session of the Node driver with access control: users, mechanisms, TLS,
// certificates, roles on branches.
import assert from 'node:assert'
import { MongoClient } from 'mongodb'

const { ARGON_HOST: host, ARGON_CERTS: certs } = process.env
const tls = { tls: true, tlsCAFile: `${certs}/ca.pem` }
const name = 'node_auth'
const clients = []
const connect = options => { const c = new MongoClient(`mongodb://${host}/`, { ...tls, ...options }); clients.push(c); return c }
const refused = (code, promise) => assert.rejects(promise, e => { assert.equal(e.code, code, e); return true })

try {
  const root = connect({ auth: { username: 'root', password: 'secret' } })
  const shop = root.db(name)
  await shop.collection('orders').insertOne({ _id: 1 })
  await shop.command({ createBranch: 'dev-1' })
  await shop.command({ createUser: 'ann', pwd: 'pä ss', roles: [{ role: 'readWrite', db: `${name}~dev-*` }] })
  await root.db('$external').command({ createUser: 'CN=node,O=shop', roles: [{ role: 'read', db: name }] })

  for (const authMechanism of [undefined, 'SCRAM-SHA-256', 'SCRAM-SHA-1']) {
    const auth = { auth: { username: 'ann', password: 'pä ss' }, authSource: name, ...authMechanism && { authMechanism } }
    const ann = connect(auth)
    const dev = ann.db(`${name}~dev-1`).collection('orders')
    await dev.insertOne({ authMechanism })
    assert.deepEqual(await dev.findOne({ _id: 1 }), { _id: 1 })
    await refused(13, ann.db(name).collection('orders').findOne())
    await refused(13, ann.db(name).collection('orders').insertOne({}))
    await ann.withSession(s => s.withTransaction(() => dev.insertOne({ in: 'a transaction' }, { session: s })))
    await refused(18, connect({ ...auth, auth: { username: 'ann', password: 'wrong' } }).db('admin').command({ connectionStatus: 1 }))
  }
  const cert = connect({ authMechanism: 'MONGODB-X509', tlsCertificateKeyFile: `${certs}/node.pem` })
  assert.equal(await cert.db(name).collection('orders').countDocuments(), 1)
  await refused(13, cert.db(name).collection('orders').insertOne({}))
  await refused(13, connect({}).db(name).collection('orders').findOne())
} finally {
  await Promise.all(clients.map(c => c.close()))
}
