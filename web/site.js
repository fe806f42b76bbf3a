// A WordPress on a folder of PHP's filesystem: starts PHP for it, and answers requests. Used by the page's worker, and by the build
// that installs WordPress.

import { HttpCookieStore, PHP, PHPRequestHandler } from '@php-wasm/universal'

/** Where PHP has the site. The volume's root is mounted here. */
export const ROOT = '/wordpress'
export const DATABASES = ['.ht.sqlite', '.ht.sqlite.php'] // the SQLite plugin's name for it, older and newer
export const DATABASE_FOLDER = '/wp-content/database'

/**
 * @param {object} options
 * @param {number} options.runtime what loadPHPRuntime of @php-wasm/universal resolves with
 * @param {(php: PHP, FS: object, mountpoint: string) => Promise<() => void>} options.mount what holdfastMount returns
 * @param {string} options.url where the site is, without a slash at its end
 * @param {{ environment: string, plugin: string }} options.php sources of wordpress/*.php
 * @param {import('@php-wasm/universal').HttpCookieStore} [options.cookies] the frame's: a service worker's answers cannot set any
 */
export async function startSite({ runtime, mount, url, php: sources, cookies = new HttpCookieStore() }) {
  const php = new PHP(runtime)
  await php.mount(ROOT, mount)
  php.mkdirTree('/holdfast')
  php.mkdirTree('/internal/shared/preload') // php-wasm runs what is there before every script
  php.writeFile('/internal/shared/preload/holdfast.php', sources.environment)
  php.writeFile('/holdfast/plugin.php', sources.plugin)
  const handler = new PHPRequestHandler({
    php,
    documentRoot: ROOT,
    absoluteUrl: url,
    cookieStore: cookies,
    getFileNotFoundAction: (path) =>
      /\/(wp-includes|wp-content|wp-admin)\/.*\.\w+$/.test(path) ? { type: '404' } : { type: 'internal-redirect', uri: '/index.php' },
  })

  /** Says where the database is, which another snapshot may have under another name. */
  function configure() {
    const database = DATABASES.find((name) => php.fileExists(`${ROOT}${DATABASE_FOLDER}/${name}`)) ?? DATABASES[0]
    php.writeFile('/holdfast/config.json', JSON.stringify({ url, database }))
  }
  configure()

  return {
    php,
    configure,
    /**
     * @param {{ url: string, method?: string, headers?: Record<string, string>, body?: Uint8Array | Record<string, string> }} request
     * @returns {Promise<{ status: number, headers: Record<string, string[]>, body: Uint8Array, exitCode: number, errors: string }>}
     */
    async request(request) {
      const response = await handler.request({ method: 'GET', headers: {}, ...request })
      return { status: response.httpStatusCode, headers: response.headers, body: response.bytes, exitCode: response.exitCode, errors: response.errors }
    },
  }
}
