/* What the store's tests and the crash harness both ask a database. Counts nothing where all is well. */
#ifndef CLIPQ_TESTS_BOOKS_H
#define CLIPQ_TESTS_BOOKS_H

/* Each clip that can be read has a content of its own, and is found by it, once. */
#define BOOK_CONTENTS \
    "SELECT (SELECT count(*) - count(DISTINCT fingerprint) FROM clips WHERE failure = '') + " \
    "(SELECT count(*) FROM clips c WHERE (failure = '') <> (SELECT count(*) FROM (SELECT * FROM contents UNION ALL " \
    "SELECT * FROM contents_new) WHERE part = substr(fingerprint, -7) AND clip_id = c.id))"

#endif
