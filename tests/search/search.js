// Searches documentation for the names in names.txt, with rustdoc's own script and index:
//
//     node tests/search/search.js target/doc
//
// Fails if the page that names.txt has for a name is not among the first results, or if rustdoc's script cannot be used.
// The functions that are passed to that script load the parts of the index, which a browser loads as scripts.
"use strict";

const fs = require("fs");
const path = require("path");

const CRATE = "zigalloc";
const RESULTS = 10;

// The page's other scripts define these.
globalThis.nonnull = globalThis.nonundef = (value) => {
    if (value === null || value === undefined) {
        throw new Error(`rustdoc's search: ${value}`);
    }
    return value;
};

function load(doc) {
    const page = fs.readFileSync(path.join(doc, CRATE, "index.html"), "utf8");
    // `static.files` may have scripts of other versions.
    const script = (name) => {
        const file = page.match(new RegExp(`data-${name}-js="([^"]+)"`));
        if (file === null) {
            throw new Error(`${doc}: rustdoc has no script ${name} there; this test needs its index in search.index`);
        }
        return require(path.resolve(doc, "static.files", file[1]));
    };
    const index = path.join(doc, "search.index");
    let callbacks = null;
    const run = (file, failed) => {
        // Each part of the index is a call of one of these functions.
        const names = Object.keys(callbacks);
        try {
            new Function(...names, fs.readFileSync(file, "utf8"))(...names.map((name) => callbacks[name]));
        } catch (error) {
            failed(error);
        }
    };
    const { Stringdex, RoaringBitmap } = script("stringdex");
    return script("search").initSearch(Stringdex, RoaringBitmap, {
        loadRoot: (given) => {
            callbacks = given;
            run(path.join(index, "root.js"), (error) => { throw error; });
        },
        loadTreeByHash: (hash) =>
            run(path.join(index, `${hash}.js`), (error) => callbacks.err_rn_(hash, error)),
        loadDataByNameAndHash: (name, hash) =>
            run(path.join(index, name, `${hash}.js`), (error) => callbacks.err_rd_(hash, error)),
    });
}

// The pages of the first results, relative to the crate's. (rustdoc searches aliases also for a query that it calls
// wrong, such as `@memcpy`.)
async function search({ docSearch, DocSearch }, query) {
    const results = await docSearch.execQuery(DocSearch.parseQuery(query), null, CRATE);
    const pages = [];
    for await (const result of results.others) {
        pages.push(result.href.replace(/^(\.\.\/)+/, "").replace(`${CRATE}/`, ""));
        if (pages.length === RESULTS) {
            break;
        }
    }
    return pages;
}

async function main(doc) {
    const lines = fs.readFileSync(path.join(__dirname, "names.txt"), "utf8").split("\n");
    const rows = lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split(" "));
    const names = new Set(rows.map(([name]) => name));
    if (names.size < 200) {
        throw new Error(`names.txt has only ${names.size} names`);
    }
    const loaded = await load(doc);
    let missing = 0;
    for (const [name, page] of rows) {
        const pages = await search(loaded, name);
        if (!pages.includes(page)) {
            missing += 1;
            console.error(`${name}: ${page} is not among the first ${RESULTS} results: ${pages.join(" ") || "none"}`);
        }
    }
    const none = await search(loaded, "noZigNameAtAll");
    if (none.length > 0) {
        throw new Error(`a name that does not exist has results: ${none.join(" ")}`);
    }
    if (missing > 0) {
        throw new Error(`${missing} of ${rows.length} not found; give the item, or its re-export, a #[doc(alias)]`);
    }
    console.log(`${doc}: all ${names.size} names of Zig are found`);
}

main(process.argv[2]).catch((error) => {
    // Its stack would contain the whole of rustdoc's script.
    console.error(String(error));
    process.exitCode = 1;
});
