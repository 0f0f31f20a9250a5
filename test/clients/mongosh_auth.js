// A session of mongosh as root, with the helpers for users and roles.
const assert = require('assert')

function refused (code, call) { // mongosh waits for what call does; assert.throws would not
  let error
  try { call() } catch (e) { error = e }
  assert.ok(error, 'nothing was refused')
  if (code) assert.equal(error.code, code, String(error))
}

db.createUser({ user: 'ann', pwd: 'pw', roles: ['read'], customData: { team: 1 }, passwordDigestor: 'server' })
refused(51003, () => db.createUser({ user: 'ann', pwd: 'pw', roles: [] }))
assert.equal(db.getUser('ann').roles[0].role, 'read')
assert.equal(db.getUser('nosuch'), null)
assert.equal(db.getUsers().users.length, 1)
assert.deepEqual(db.getUsers({ filter: { 'customData.team': 2 } }).users, [])
db.createRole({ role: 'dev', privileges: [{ resource: { db: 'mongosh_auth~dev-*', collection: '' }, actions: ['find', 'insert'] }], roles: [] })
db.grantRolesToUser('ann', ['dev'])
assert.deepEqual(db.getUser('ann', { showPrivileges: true }).inheritedRoles.map(r => r.role).sort(), ['dev', 'read'])
db.grantPrivilegesToRole('dev', [{ resource: { db: 'mongosh_auth', collection: 'log' }, actions: ['insert'] }])
assert.equal(db.getRole('dev', { showPrivileges: true }).privileges.length, 2)
assert.equal(db.getRoles({ showBuiltinRoles: true }).roles.filter(r => r.role === 'branchAdmin').length, 1)
db.revokePrivilegesFromRole('dev', [{ resource: { db: 'mongosh_auth', collection: 'log' }, actions: ['insert'] }])
db.grantRolesToRole('dev', ['readWrite'])
db.revokeRolesFromRole('dev', ['readWrite'])
db.updateRole('dev', { roles: ['read'] })
db.changeUserPassword('ann', 'new')
db.updateUser('ann', { customData: { team: 2 } })

const ann = new Mongo(process.env.ARGON_HOST_URI.replace('//', '//ann:new@').replace('/?', '/mongosh_auth?')).getDB('mongosh_auth')
assert.equal(ann.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers[0].user, 'ann')
refused(13, () => ann.orders.insertOne({}))
refused(0, () => ann.auth('ann', 'pw'))
db.revokeRolesFromUser('ann', ['dev', 'read'])
refused(13, () => ann.orders.findOne())
db.dropRole('dev')
assert.equal(db.dropAllRoles().n, 0)
db.dropUser('ann')
assert.equal(db.dropAllUsers().n, 0)
