// The service worker: what the frame asks for under /sites/NAME/ is answered by the WordPress in the worker of the page that has the site
// open. It keeps nothing, so the browser may end and restart it at any time: the page is found anew for each request.

const PATIENCE_MS = 5000 // for a page to say that the site is its own; how long the answer then takes is the page's business

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (url.origin !== location.origin) return
  if (siteOf(url.pathname)) event.respondWith(answer(event))
})

/** The name of the site that an address belongs to. */
function siteOf(pathname) {
  return /^\/sites\/([^/]+)\//.exec(pathname)?.[1] ?? null
}

async function answer(event) {
  const { request } = event
  const url = new URL(request.url)
  // Content may name the address that a site had in another tab. What a document of a site loads is asked of that site.
  const client = event.clientId && request.mode !== 'navigate' ? await self.clients.get(event.clientId) : null
  const site = (client && siteOf(new URL(client.url).pathname)) ?? siteOf(url.pathname)
  url.pathname = url.pathname.replace(/^\/sites\/[^/]+/, `/sites/${site}`)

  const body = request.method === 'GET' || request.method === 'HEAD' ? null : await request.arrayBuffer()
  const message = { url: url.href, method: request.method, headers: Object.fromEntries(request.headers), body }
  for (const page of await self.clients.matchAll({ type: 'window', includeUncontrolled: true })) {
    if (siteOf(new URL(page.url).pathname)) continue
    const response = await ask(page, site, message)
    if (response) return response
  }
  return nobody()
}

/** Resolves with null when the page has not got the site. */
function ask(page, site, request) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    const timer = setTimeout(() => resolve(null), PATIENCE_MS)
    port1.onmessage = ({ data }) => {
      clearTimeout(timer)
      if (data.accepted) return
      port1.close()
      if (data.refused) return resolve(null)
      const { status, headers, body } = data
      const noBody = [101, 204, 205, 304].includes(status) || request.method === 'HEAD'
      resolve(new Response(noBody ? null : body, { status, headers }))
    }
    page.postMessage({ holdfast: 'request', site, request }, [port2])
  })
}

function nobody() {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Not open</title>
<body style="font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem"><h1 style="font-size:1.3rem">This site is not open in any tab.</h1>
<p>It runs inside the page of the demo. <a href="/" target="_top">Open the demo</a>, and it is here again.</p>`
  return new Response(html, { status: 503, headers: { 'content-type': 'text/html; charset=utf-8', 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-resource-policy': 'same-origin' } })
}
