"""Change streams through the Python driver."""

import asyncio
import os

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure

uri = os.environ["ARGON_URI"]
client = MongoClient(uri)
db = client.python_streams
c = db.c
c.insert_one({"_id": 0, "tags": ["a", "b", "c"], "o": {"x": 1}})


def fail_next(command, code, **data):
    client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": {"failCommands": [command], "errorCode": code, **data}})


with c.watch(full_document="required", full_document_before_change="required", max_await_time_ms=500) as stream:
    assert stream.try_next() is None
    c.update_one({"_id": 0}, [{"$set": {"tags": ["a"], "o.x": 2}}, {"$unset": "o.none"}])
    event = next(stream)
    assert event["operationType"] == "update" and event["documentKey"] == {"_id": 0}, event
    assert event["fullDocument"]["o"] == {"x": 2} and event["fullDocumentBeforeChange"]["o"] == {"x": 1}, event
    # The driver goes on by itself after an error that allows it.
    fail_next("getMore", 10107, closeConnection=False)
    c.insert_one({"_id": 1})
    assert next(stream)["documentKey"] == {"_id": 1}
    token = stream.resume_token
    c.delete_one({"_id": 1})

with c.watch([{"$match": {"operationType": "delete"}}], resume_after=token) as stream:
    assert next(stream)["documentKey"] == {"_id": 1}

with client.start_session() as s, s.start_transaction():
    for i in range(2, 5):
        c.insert_one({"_id": i}, session=s)
    c.update_one({"_id": 0}, {"$inc": {"o.x": 1}}, session=s)
with db.watch(resume_after=token) as stream:
    events = [next(stream) for _ in range(5)]
    assert [e["operationType"] for e in events] == ["delete", "insert", "insert", "insert", "update"], events
    assert len({(e["lsid"]["id"], e["txnNumber"], e["clusterTime"]) for e in events[1:]}) == 1, events
    assert "lsid" not in events[0]

# A branch is a database; so is what the whole server has.
db.command({"createBranch": "dev"})
with client.watch() as everything, client["python_streams~dev"].watch() as dev:
    client["python_streams~dev"].c.insert_one({"_id": "on dev"})
    c.insert_one({"_id": "on main"})
    assert next(dev)["ns"] == {"db": "python_streams~dev", "coll": "c"}
    assert [next(everything)["ns"]["db"] for _ in range(2)] == ["python_streams~dev", "python_streams"]
    db.command({"restoreBranch": "dev", "to": db.command({"historyInfo": "dev"})["latestLsn"]})
    assert next(dev)["operationType"] == "invalidate"
    with client["python_streams~dev"].watch(start_after=dev.resume_token) as on:
        client["python_streams~dev"].c.insert_one({"_id": "later"})
        assert next(on)["documentKey"] == {"_id": "later"}

try:
    c.watch(resume_after={"_data": "8201"})
    raise AssertionError("a broken token was taken")
except OperationFailure as e:
    assert e.code == 260, e


async def asynchronous():
    async with AsyncMongoClient(uri) as a:
        async with await a.python_streams.c.watch(show_expanded_events=True) as stream:
            await a.python_streams.c.create_index("n")
            event = await stream.next()
            assert event["operationType"] == "createIndexes" and event["operationDescription"]["indexes"][0]["name"] == "n_1", event
            await a.python_streams.c.drop()
            assert [(await stream.next())["operationType"] for _ in range(2)] == ["drop", "invalidate"]


asyncio.run(asynchronous())
client.close()
