"""The Python driver's own features: transactions, bulk writes, GridFS, retries."""

import asyncio
import os

import gridfs
from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient, DeleteOne, InsertOne, MongoClient, UpdateMany, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, ClientBulkWriteException, ExecutionTimeout, OperationFailure
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

NAME = "python_features"


class Sent(CommandListener):
    def __init__(self):
        self.names = []

    def started(self, event):
        self.names.append(event.command_name)

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def fail(client, commands, times=1, **data):
    client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": {"failCommands": commands, **data}})


def transactions(client, db, sent):
    c = db.c
    c.insert_many([{"_id": 1, "n": 100}, {"_id": 2, "n": 100}])
    with client.start_session() as s, s.start_transaction(ReadConcern("snapshot"), WriteConcern("majority")):
        c.update_one({"_id": 1}, {"$inc": {"n": -10}}, session=s)
        c.update_one({"_id": 2}, {"$inc": {"n": 10}}, session=s)
        assert c.find_one({"_id": 1})["n"] == 100
        assert c.find_one({"_id": 1}, session=s)["n"] == 90
    assert [d["n"] for d in c.find().sort("_id")] == [90, 110]
    try:
        with client.start_session() as s, s.start_transaction():
            c.delete_many({}, session=s)
            raise ValueError
    except ValueError:
        pass
    assert c.count_documents({}) == 2
    sent.names.clear()
    fail(client, ["commitTransaction"], 2, errorCode=11602, errorLabels=["RetryableWriteError"])
    with client.start_session() as s:
        s.with_transaction(lambda s: c.insert_one({"_id": 3}, session=s))
    assert sent.names.count("commitTransaction") == 3, sent.names
    fail(client, ["insert"], 1, errorCode=112)
    with client.start_session() as s:
        s.with_transaction(lambda s: c.insert_one({"_id": 4}, session=s))
    assert c.count_documents({}) == 4
    one, two = client.start_session(), client.start_session()
    one.start_transaction()
    two.start_transaction()
    c.update_one({"_id": 1}, {"$set": {"by": 1}}, session=one)
    try:
        c.update_one({"_id": 1}, {"$set": {"by": 2}}, session=two)
        raise AssertionError("no conflict")
    except OperationFailure as e:
        assert e.code == 112 and e.has_error_label("TransientTransactionError")
    two.abort_transaction()
    one.commit_transaction()
    one.end_session()
    two.end_session()
    with client.start_session(causal_consistency=True) as s:
        c.insert_one({"_id": 5}, session=s)
        assert c.with_options(read_concern=ReadConcern("majority")).find_one({"_id": 5}, session=s)
        assert s.operation_time and s.cluster_time


def bulk(client, db):
    done = client.bulk_write(
        [InsertOne({"_id": 1}, namespace=f"{NAME}.b1"), UpdateOne({"_id": 1}, {"$set": {"x": 1}}, upsert=True, namespace=f"{NAME}.b2"),
         UpdateMany({}, {"$inc": {"y": 1}}, namespace=f"{NAME}.b1"), DeleteOne({"_id": 1}, namespace=f"{NAME}.b2")],
        verbose_results=True)
    assert (done.inserted_count, done.upserted_count, done.modified_count, done.deleted_count) == (1, 1, 1, 1)
    assert done.update_results[1].upserted_id == 1 and done.delete_results[3].deleted_count == 1
    try:
        client.bulk_write([InsertOne({"_id": 1}, namespace=f"{NAME}.b1"), InsertOne({"_id": 2}, namespace=f"{NAME}.b1")], ordered=False)
        raise AssertionError("a duplicate was taken")
    except ClientBulkWriteException as e:
        assert e.write_errors[0]["code"] == 11000 and e.partial_result.inserted_count == 1
    try:
        db.b1.bulk_write([InsertOne({"_id": 1}), InsertOne({"_id": 9}), UpdateOne({}, {"$bad": 1})], ordered=False)
        raise AssertionError("no error")
    except BulkWriteError as e:
        assert [w["code"] for w in e.details["writeErrors"]] == [11000, 9] and e.details["nInserted"] == 1, e.details
    raw = RawBSONDocument(encode({"_id": "raw", "x": 1}))
    db.b1.insert_one(raw)
    assert db.b1.find_one({"_id": "raw"})["x"] == 1
    assert not db.b1.with_options(write_concern=WriteConcern(w=0)).insert_one({"_id": "w0"}).acknowledged
    assert db.b1.find_one({"_id": "w0"})


def files(db):
    fs = gridfs.GridFSBucket(db, chunk_size_bytes=1000)
    data = b"argon" * 20000
    with fs.open_upload_stream("file", metadata={"a": 1}) as up:
        up.write(data)
    with fs.open_download_stream_by_name("file") as down:
        down.seek(10)
        assert down.read(50_000) == data[10:50_010]
    fs.rename(up._id, "renamed")
    assert [f.filename for f in fs.find({})] == ["renamed"]
    fs.delete(up._id)
    assert db.fs.chunks.count_documents({}) == 0


def retries(client, db):
    fail(client, ["insert"], closeConnection=True)
    db.r.insert_one({"_id": 1})
    for code in (91, 189, 7, 6, 89, 9001, 10107, 11600, 11602, 13435, 13436, 262):
        fail(client, ["update"], errorCode=code)
        assert db.r.update_one({"_id": 1}, {"$inc": {"n": 1}}).modified_count == 1, code
        fail(client, ["find"], errorCode=code)
        assert db.r.find_one({"_id": 1}), code
    assert db.r.find_one({"_id": 1})["n"] == 12
    fail(client, ["insert"], writeConcernError={"code": 91, "errmsg": "ends"}, errorLabels=["RetryableWriteError"])
    db.r.insert_one({"_id": 2})
    try:
        list(db.r.find({"$expr": {"$gt": [{"$sum": {"$range": [0, 1000000]}}, -1]}}, max_time_ms=1))
        raise AssertionError("no time limit")
    except ExecutionTimeout as e:
        assert e.code == 50


async def asynchronous():
    async with AsyncMongoClient(os.environ["ARGON_URI"]) as client:
        c = client[NAME].a
        async with client.start_session() as s:
            await s.with_transaction(lambda s: c.insert_one({"_id": 1}, session=s))
        assert [d async for d in c.find()] == [{"_id": 1}]


def main():
    sent = Sent()
    client = MongoClient(os.environ["ARGON_URI"], event_listeners=[sent], heartbeatFrequencyMS=500)
    client.drop_database(NAME)
    db = client[NAME]
    transactions(client, db, sent)
    bulk(client, db)
    files(db)
    retries(client, db)
    asyncio.run(asynchronous())
    client.close()


main()
