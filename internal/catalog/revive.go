package catalog

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/txn"
)

// Revive adds a collection that another point or branch has: under the same
// identity, so that the two stay comparable row by row. With whole it comes with
// its indexes, for a collection that was dropped on this very timeline, whose rows
// and entries are all there still. Otherwise it has the index on _id only and the
// caller writes its documents; newID then gives it an id of its own, which is
// needed when this timeline has rows of the old one. A name that is taken is
// NamespaceExists.
func (c *Catalog) Revive(ctx context.Context, v *txn.View, name string, of *Collection, whole, newID bool) (*Collection, error) {
	snap, err := c.Snapshot(v)
	if err != nil {
		return nil, err
	}
	if _, taken := snap.Collection(name); taken {
		return nil, errExists(name)
	}
	n := of.clone()
	n.Name, n.Created = name, v.Txn().Snapshot()
	n.Indexes = slices.DeleteFunc(n.Indexes, func(ix *Index) bool { return ix.Building }) // nobody would finish them
	if n.Type != TypeView && !whole {
		n.Indexes, n.nextIndex = n.Indexes[:1], IDIndex+1
		if newID {
			id, err := c.store.NewID()
			if err != nil {
				return nil, err
			}
			n.ID, n.UUID = txn.CollectionID(id), newUUID()
		}
	}
	return c.put(ctx, v, n, Change{Op: OpCreate, Name: name, UUID: n.UUID, Type: n.Type, Detail: n.Options})
}
