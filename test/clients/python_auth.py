"""A session of the Python driver with access control: users, mechanisms, TLS,
certificates, roles on branches."""

import os

from pymongo import MongoClient
from pymongo.errors import OperationFailure

HOST, CERTS = os.environ["ARGON_HOST"], os.environ["ARGON_CERTS"]
NAME = "python_auth"
TLS = {"tls": True, "tlsCAFile": f"{CERTS}/ca.pem"}


def refused(code, call):
    """Check that call fails with an error code of MongoDB's."""
    try:
        call()
    except OperationFailure as e:
        assert e.code == code, (e.code, e)
    else:
        raise AssertionError(f"expected error {code}")


def main():
    root = MongoClient(HOST, username="root", password="secret", **TLS)
    shop = root[NAME]
    shop.orders.insert_one({"_id": 1})
    shop.command("createBranch", "dev-1")
    shop.command("createUser", "ann", pwd="pä ss", roles=[{"role": "readWrite", "db": f"{NAME}~dev-*"}])
    root["$external"].command("createUser", "CN=python,O=shop", roles=[{"role": "read", "db": NAME}])

    for mechanism in ("DEFAULT", "SCRAM-SHA-256", "SCRAM-SHA-1"):
        ann = MongoClient(HOST, username="ann", password="pä ss", authSource=NAME, authMechanism=mechanism, **TLS)
        dev = ann[f"{NAME}~dev-1"]
        dev.orders.insert_one({"mechanism": mechanism})
        assert dev.orders.find_one({"_id": 1}) == {"_id": 1}
        refused(13, lambda: ann[NAME].orders.find_one())
        refused(13, lambda: ann[f"{NAME}~main"].orders.insert_one({}))
        with ann.start_session() as session, session.start_transaction():
            dev.orders.insert_one({"in": "a transaction"}, session=session)
        assert dev.command("connectionStatus")["authInfo"]["authenticatedUsers"] == [{"user": "ann", "db": NAME}]
        assert ann.list_database_names() == [NAME]
        refused(18, lambda: MongoClient(HOST, username="ann", password="wrong", authSource=NAME, authMechanism=mechanism, **TLS).admin.command("connectionStatus"))
        ann.close()

    cert = MongoClient(HOST, authMechanism="MONGODB-X509", tlsCertificateKeyFile=f"{CERTS}/python.pem", **TLS)
    assert cert[NAME].orders.count_documents({}) == 1
    refused(13, lambda: cert[NAME].orders.insert_one({}))
    refused(13, lambda: MongoClient(HOST, **TLS)[NAME].orders.find_one())

    ann = MongoClient(HOST, username="ann", password="pä ss", authSource=NAME, **TLS)
    cursor = ann[f"{NAME}~dev-1"].orders.find(batch_size=1)
    next(cursor)
    shop.command("dropUser", "ann")
    refused(13, lambda: next(cursor))


main()
