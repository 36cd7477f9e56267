/** What the go command leaves on a machine: its files, its settings, its binaries, its module cache. */

export * from "./build-info.ts";
export { type BuildInfoText, type BuildModule, formatVersionM } from "./build-info-text.ts";
export { hashFolder, hashGoMod } from "./dir-hash.ts";
export * from "./go-env.ts";
export * from "./go-mod.ts";
export { type GoWork, parseGoWork } from "./go-work.ts";
export { isImportPath } from "./import-path.ts";
export { lineOfMalformed, quoted, shown } from "./malformed.ts";
export { type CachedModule, listModuleCache, type ModuleCacheOptions, readCachedGoMod } from "./module-cache.ts";
export { type ListedModule, type ModuleList, parseModuleList, type RefuseLine } from "./module-list.ts";
export { fetchGoMod, MAX_GO_MOD, type ModuleProxyOptions, type ProxyEntry, parseGoProxy } from "./module-proxy.ts";
export { findPrefixPattern, matchesPattern, matchesPrefixPatterns } from "./path-pattern.ts";
export { listProgramNames } from "./platform-folder.ts";
export { canonicalVersion, comparePrecedence, parseAnyVersion, type StepKind, stepKind } from "./semver.ts";
export { resolveVersionQuery, type VersionQueryOptions } from "./version-query.ts";
export { makeWebFetch, WebProxies, type WebProxy } from "./web-proxy.ts";
export { hashZip } from "./zip-hash.ts";
