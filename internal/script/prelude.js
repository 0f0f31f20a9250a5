// The parts of MongoDB's shell that scripts on a server may use. "n" has the
// natives (types.go).
(function (n) {
  'use strict';
  const g = globalThis;
  const define = (o, name, value) => Object.defineProperty(o, name, { value, writable: true, configurable: true });
  const getter = (o, name, get) => Object.defineProperty(o, name, { get, configurable: true });

  for (const C of [NumberLong, NumberInt]) {
    define(C.prototype, 'toNumber', function () { return n.num(this); });
    define(C.prototype, 'valueOf', function () { return n.num(this); });
    define(C.prototype, 'compare', function (other) {
      const a = BigInt(n.str(this)), b = BigInt(n.str(other));
      return a < b ? -1 : a > b ? 1 : 0;
    });
  }
  define(NumberLong.prototype, 'toString', function () {
    const s = n.str(this);
    return Number.isSafeInteger(Number(s)) ? `NumberLong(${s})` : `NumberLong("${s}")`;
  });
  define(NumberInt.prototype, 'toString', function () { return `NumberInt(${n.str(this)})`; });
  define(NumberDecimal.prototype, 'toString', function () { return `NumberDecimal("${n.str(this)}")`; });
  getter(ObjectId.prototype, 'str', function () { return n.bytes(this); });
  define(ObjectId.prototype, 'toString', function () { return `ObjectId("${this.str}")`; });
  define(ObjectId.prototype, 'valueOf', function () { return this.str; });
  define(ObjectId.prototype, 'equals', function (o) { return o instanceof ObjectId && o.str === this.str; });
  define(ObjectId.prototype, 'getTimestamp', function () { return new Date(parseInt(this.str.slice(0, 8), 16) * 1000); });
  getter(Timestamp.prototype, 't', function () { return n.part(this, 0); });
  getter(Timestamp.prototype, 'i', function () { return n.part(this, 1); });
  define(Timestamp.prototype, 'getTime', function () { return this.t; });
  define(Timestamp.prototype, 'getInc', function () { return this.i; });
  define(Timestamp.prototype, 'toString', function () { return `Timestamp(${this.t}, ${this.i})`; });
  define(BinData.prototype, 'subtype', function () { return n.subtype(this); });
  define(BinData.prototype, 'length', function () { return n.bytes(this).length / 2; });
  define(BinData.prototype, 'hex', function () { return n.bytes(this); });
  define(BinData.prototype, 'base64', function () { return n.bytes(this, 'base64'); });
  define(BinData.prototype, 'toString', function () {
    const h = n.bytes(this);
    return this.subtype() === 4 && h.length === 32
      ? `UUID("${h.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}")`
      : `BinData(${this.subtype()},"${this.base64()}")`;
  });
  define(MinKey.prototype, 'toString', () => '{ "$minKey" : 1 }');
  define(MaxKey.prototype, 'toString', () => '{ "$maxKey" : 1 }');

  define(g, 'ObjectID', ObjectId);
  define(g, 'HexData', (subtype, hex) => n.fromHex(subtype, hex));
  define(g, 'MD5', (hex) => n.fromHex(5, hex));
  define(g, 'UUID', (text) => n.fromHex(4, text === undefined
    ? 'x'.repeat(32).replace(/x/g, () => Math.floor(Math.random() * 16).toString(16))
    : text.replace(/-/g, '')));
  define(g, 'ISODate', (text) => {
    if (text === undefined) return new Date();
    const d = new Date(/^\d{8}/.test(text) ? text.replace(/^(\d{4})(\d\d)(\d\d)/, '$1-$2-$3') : text.replace(' ', 'T'));
    if (isNaN(d)) throw Error('invalid ISO date: ' + text);
    return d;
  });
  define(g, 'DBRef', function (ref, id, db) { return db === undefined ? { $ref: ref, $id: id } : { $ref: ref, $id: id, $db: db }; });

  define(g, 'emit', (key, value) => { n.emit(key, value); });
  define(g, 'sleep', (ms) => { n.sleep(ms); });
  define(g, 'hex_md5', (text) => n.md5(text));
  define(g, 'print', () => {});
  define(g, 'printjson', () => {});
  define(g, 'isNumber', (x) => typeof x === 'number');
  define(g, 'isString', (x) => typeof x === 'string');
  define(g, 'isObject', (x) => typeof x === 'object');
  define(g, 'assert', (ok, message) => { if (!ok) throw Error('assert failed' + (message ? ' : ' + message : '')); });

  const json = (x, indent, deep) => {
    if (x === null || x === undefined || typeof x === 'number' || typeof x === 'boolean') return String(x);
    if (typeof x === 'string') return JSON.stringify(x);
    if (typeof x === 'function') return x.toString();
    if (x instanceof Date) return isNaN(x) ? 'new Date(NaN)' : `ISODate("${x.toISOString()}")`;
    if (x instanceof RegExp) return x.toString();
    for (const C of [NumberLong, NumberInt, NumberDecimal, ObjectId, Timestamp, BinData, MinKey, MaxKey]) {
      if (x instanceof C) return x.toString();
    }
    if (deep > 100) throw Error('tojson: nested too deeply');
    const gap = indent ? '\n' + '\t'.repeat(deep + 1) : ' ', end = indent ? '\n' + '\t'.repeat(deep) : ' ';
    if (Array.isArray(x)) return x.length ? '[' + gap + x.map((v) => json(v, indent, deep + 1)).join(',' + gap) + end + ']' : '[ ]';
    const keys = Object.keys(x);
    return keys.length ? '{' + gap + keys.map((k) => JSON.stringify(k) + ' : ' + json(x[k], indent, deep + 1)).join(',' + gap) + end + '}' : '{ }';
  };
  define(g, 'tojson', (x, indent, oneLine) => json(x, !oneLine, 0));
  define(g, 'tojsononeline', (x) => json(x, false, 0));
  define(g, 'tostrictjson', (x) => JSON.stringify(x));

  define(Array, 'sum', (a) => (a.length ? a.reduce((x, y) => x + y) : null));
  define(Array, 'avg', (a) => (a.length ? Array.sum(a) / a.length : null));
  define(Array, 'contains', (a, x) => a.includes(x));
  define(Array, 'unique', (a) => [...new Set(a)]);
  define(Array, 'tojson', (a, indent) => json(a, indent !== undefined, 0));
  define(Object, 'bsonsize', () => { throw Error('Object.bsonsize is not available'); });
})
