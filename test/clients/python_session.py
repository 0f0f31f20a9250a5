"""A session of the Python driver: data, indexes, branches, the past, restore."""

import os
import time

from bson.int64 import Int64
from pymongo import ASCENDING, DESCENDING, InsertOne, MongoClient, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure

NAME = "python_shop"


def refused(code, call):
    """Check that call fails with an error code of MongoDB's."""
    try:
        call()
    except OperationFailure as e:
        assert e.code == code, (e.code, e)
    else:
        raise AssertionError(f"expected error {code}")


def main():
    client = MongoClient(os.environ["ARGON_URI"])
    client.drop_database(NAME)
    shop = client[NAME]
    orders = shop.orders

    result = orders.insert_many({"_id": i, "sku": f"s{i % 7}", "total": i} for i in range(250))
    assert len(result.inserted_ids) == 250
    assert orders.create_index([("sku", ASCENDING), ("total", DESCENDING)]) == "sku_1_total_-1"
    orders.create_index("code", unique=True, sparse=True)
    assert [d["total"] for d in orders.find({"sku": "s3"}).sort("total", -1).limit(3)] == [248, 241, 234]
    assert len(list(orders.find(batch_size=20))) == 250
    orders.update_one({"_id": 1}, {"$set": {"code": "x"}})
    try:
        orders.insert_one({"_id": 900, "code": "x"})
        raise AssertionError("a duplicate was taken")
    except DuplicateKeyError as e:
        assert e.details["keyPattern"] == {"code": 1}
    after = orders.find_one_and_update({"_id": 2}, {"$inc": {"total": 8}}, return_document=ReturnDocument.AFTER)
    assert after == {"_id": 2, "sku": "s2", "total": 10}
    written = orders.bulk_write([InsertOne({"_id": 1000}), UpdateOne({"_id": 1001}, {"$set": {"a": 1}}, upsert=True)])
    assert (written.inserted_count, written.upserted_count) == (1, 1)
    top = list(orders.aggregate([{"$group": {"_id": "$sku", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]))
    assert top[1] == {"_id": "s0", "n": 36}, top

    lsn = shop.command("historyInfo", "main")["latestLsn"]
    before = orders.find_one({"_id": 3})
    orders.update_one({"_id": 3}, {"$set": {"total": -1}})
    orders.delete_one({"_id": 4})
    past = client[f"{NAME}@{lsn}"].orders
    assert past.find_one({"_id": 3}) == before
    assert past.count_documents({}) == 252
    refused(166, lambda: past.insert_one({"_id": 1}))
    refused(246, lambda: client[f"{NAME}@{lsn + 1000000}"].orders.find_one())
    refused(26, lambda: client[f"{NAME}~nowhere"].orders.find_one())

    assert shop.command("createBranch", "dev")["branch"]["name"] == "dev"
    dev = client[f"{NAME}~dev"].orders
    dev.insert_one({"_id": "only-dev"})
    dev.update_many({"sku": "s1"}, {"$set": {"sku": "moved"}})
    assert orders.count_documents({"sku": "moved"}) == 0
    assert dev.count_documents({"sku": "moved"}) == 36
    assert sorted(dev.index_information()) == ["_id_", "code_1", "sku_1_total_-1"]

    time.sleep(2.1)
    with client.start_session(snapshot=True) as session:
        assert len(list(dev.find({"_id": "only-dev"}, session=session))) == 1
        dev.delete_one({"_id": "only-dev"})
        assert len(list(dev.find({"_id": "only-dev"}, session=session))) == 1
    assert dev.find_one({"_id": "only-dev"}) is None
    assert client[f"{NAME}~dev@-1s"].orders.find_one({"_id": "only-dev"})

    dry = shop.command("restoreBranch", "main", to=Int64(lsn), dryRun=True)["preview"]
    assert dry["collections"] == [{"name": "orders", "inserts": 1, "updates": 1, "deletes": 0}], dry
    with orders.watch(full_document="required", full_document_before_change="required") as changes:
        orders.insert_one({"_id": "w", "o": {"a": 1, "b": 2}})
        orders.update_one({"_id": "w"}, {"$set": {"o.a": 3}, "$unset": {"o.b": ""}})
        orders.delete_one({"_id": "w"})
        inserted, updated, deleted = (changes.next() for _ in range(3))
        assert inserted["fullDocument"] == {"_id": "w", "o": {"a": 1, "b": 2}}
        assert updated["updateDescription"] == {"updatedFields": {"o.a": 3}, "removedFields": ["o.b"], "truncatedArrays": []}
        assert deleted["fullDocumentBeforeChange"] == updated["fullDocument"] == {"_id": "w", "o": {"a": 3}}
        assert changes.try_next() is None
        shop.command("restoreBranch", "main", to=Int64(lsn))
        last = changes.next()
        assert last["operationType"] == "invalidate" and not changes.alive, last
    with orders.watch(start_after=last["_id"]) as changes:  # on the restored branch
        orders.insert_one({"_id": "again"})
        assert changes.next()["documentKey"] == {"_id": "again"}
        orders.delete_one({"_id": "again"})
    refused(260, lambda: orders.watch(resume_after=last["_id"]))
    assert orders.find_one({"_id": 3}) == before
    assert orders.count_documents({}) == 252
    client.close()


main()
