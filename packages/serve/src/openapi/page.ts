/**
 * The page at `/docs`. One document without anything from elsewhere: the policy allows its own script and style, by digest, and requests
 * to this server, and nothing else; whatever a model or an answer contains cannot run.
 */
import { createHash } from 'node:crypto';
import { SCRIPT } from './page-script.ts';
import { STYLE } from './page-style.ts';

const source = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

let policy: string | null = null;

/** The header Content-Security-Policy of the page. */
export function docsPolicy(): string {
  return (policy ??= [
    "default-src 'none'",
    `script-src ${source(SCRIPT)}`,
    `style-src ${source(STYLE)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '));
}

export function docsPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slipway API</title>
<style>${STYLE}</style>
</head>
<body>
<div class="frame">
<nav aria-label="Models"><a class="brand" href="#top">Slipway<small>model server</small></a><h2>Models</h2><ul></ul></nav>
<main id="top">
<h1>What this server answers</h1>
<p class="lead">Every protocol, with the shapes of the models that are loaded now. Requests can be changed and sent from here.</p>
<div class="meta"></div>
</main>
</div>
<noscript>This page is made by its script from <a href="openapi.json">openapi.json</a>.</noscript>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
