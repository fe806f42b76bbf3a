// The worker of the rows that run in Chromium.

import { run as fsOps } from './rows/fs-ops.mjs'
import { first, onePost as publishOnePost } from './rows/publish.mjs'
import { autocommit, bulk } from './rows/sqlite.mjs'
import { commit, memory, scale, start } from './rows/volume.mjs'
import { autocommit as phpAutocommit, firstSave, get, onePost, openSite } from './rows/wordpress.mjs'

const rows = {
  'fs-ops': fsOps, 'commit-4k': commit, 'sqlite-autocommit': autocommit, 'sqlite-bulk': bulk, 'php-autocommit': phpAutocommit, 'first-save': firstSave,
  'open-site': openSite, 'save-one-post': onePost, 'wordpress-get': get, 'publish-first': first, 'publish-one-post': publishOnePost, scale, start, memory,
}

globalThis.runRows = (name, setting) => rows[name](setting)
globalThis.ready = Promise.resolve(true)
