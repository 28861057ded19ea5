"""Programs whose output tells what a Node.js program can observe of its start, its streams and its end.

Each prints only what is the same from run to run: warm and cold must not differ in a byte. A value is
the code, or the members of a submission.
"""


def with_stdin(code, stdin):
    return {"code": code, "stdin": stdin}


def with_files(code, **files):
    return {"code": code, "files": [{"path": name.replace("__", "/").replace("_", "."), "content": content}
                                    for name, content in files.items()]}


PROBES = {
    # What a program is told about itself.
    "argv": "console.log(process.argv, process.argv0, process.execArgv, process.execPath, process.title)",
    "main": "console.log(require.main === module, module.id, module.parent, module.loaded, module.children)",
    "paths": "console.log(__filename, __dirname, module.filename, module.paths, require.resolve.paths('x'))",
    "cache": "console.log(Object.keys(require.cache), module === require.cache[__filename])",
    "extensions": "console.log(Object.keys(require.extensions), require('module').globalPaths)",
    "this": "console.log(this === module.exports, typeof globalThis, arguments.length)",
    "globals": "console.log(Object.getOwnPropertyNames(globalThis).sort().join())",
    "globals_for_in": "for (const name in globalThis) console.log(name)",
    "process_members": "console.log(Object.getOwnPropertyNames(process).sort().join())",
    "module": "console.log(module)",
    "versions": "console.log(process.version, process.versions, process.arch, process.platform, process.release)",
    "features": "console.log(process.features, process.config.variables.napi_build_version)",
    "builtins": "console.log(require('module').builtinModules.join(), process.getBuiltinModule('net') === require('net'))",
    "strict": "console.log((function () { return this === undefined })(), delete Object.prototype.x)",
    "use_strict": "'use strict'; try { undefinedName = 1 } catch (e) { console.log(e.message) }",
    "shebang": "#!/usr/bin/env node\nconsole.log('runs')",
    "byte_order_mark": "\ufeffconsole.log('runs')",
    "empty": "",
    "unicode": "console.log('äöü €  😀', '😀'.length, Buffer.from('é').length)",
    "locale": "console.log(Intl.DateTimeFormat().resolvedOptions(), (1234.5).toLocaleString(), new Date(0).toString())",
    # Processes.
    "environment": "console.log(Object.entries(process.env).sort())",
    "environment_is_settable": """
process.env.X = 1; delete process.env.HOME
console.log(process.env.X, 'HOME' in process.env, require('child_process').execSync('env | sort').toString())
""",
    "proc_environ": "console.log(require('fs').readFileSync('/proc/self/environ', 'utf8').split('\\0'))",
    "proc_cmdline": "console.log(require('fs').readFileSync('/proc/self/cmdline', 'utf8').split('\\0'))",
    "proc_comm": "console.log(require('fs').readFileSync('/proc/self/comm', 'utf8'))",
    "proc_cgroup": "console.log(require('fs').readFileSync('/proc/self/cgroup', 'utf8'))",
    "proc_links": """
const fs = require('fs')
for (const name of ['exe', 'cwd', 'root']) console.log(fs.readlinkSync('/proc/self/' + name))
console.log(fs.readdirSync('/').sort(), fs.readdirSync('/etc').sort(), fs.readdirSync('/tmp'), fs.readdirSync('.'))
""",
    "proc_limits": "console.log(require('fs').readFileSync('/proc/self/limits', 'utf8'))",
    "proc_rights": """
const lines = require('fs').readFileSync('/proc/self/status', 'utf8').split('\\n')
const names = /^(Name|Umask|Tgid|Ngid|Pid|PPid|TracerPid|Uid|Gid|FDSize|Groups|NS|Threads|Sig[IBC]|Shd|Cap|NoNew|Seccomp:)/
console.log(lines.filter(line => names.test(line) && !/^FDSize/.test(line)).join('\\n'))
""",
    "mounts": """
for (const line of require('fs').readFileSync('/proc/self/mountinfo', 'utf8').split('\\n')) {
  const words = line.split(' '); console.log(words[4], words[5], words.slice(words.indexOf('-') + 1)[0])
}
""",
    "descriptors": """
const fs = require('fs')
console.log(fs.readdirSync('/proc/self/fd').map(Number).sort((a, b) => a - b).join(), fs.openSync('main.js'))
for (const fd of fs.readdirSync('/proc/self/fd')) {
  try { console.log(fd, fs.readlinkSync('/proc/self/fd/' + fd).replace(/[0-9]+/g, 'N')) } catch { }
}
""",
    "ids": "console.log(process.pid, process.ppid, process.getuid(), process.getgid(), process.geteuid(), process.getgroups())",
    "umask": "console.log(process.umask(), process.cwd(), process.getegid())",
    "os": "const os = require('os'); console.log(os.hostname(), os.userInfo(), os.homedir(), os.tmpdir(), os.EOL, os.getPriority())",
    "the_source": """
const fs = require('fs'), stat = fs.statSync('main.js')
console.log(stat.isFile(), stat.size, stat.mode, stat.uid, stat.nlink, fs.readFileSync(__filename, 'utf8').length)
fs.writeFileSync('main.js', 'changed'); console.log(fs.readFileSync('main.js', 'utf8'))
""",
    # Memory.
    "heap_limits": """
const v8 = require('v8'), s = v8.getHeapStatistics()
console.log(s.heap_size_limit, s.total_available_size > 1e6, s.number_of_native_contexts, s.number_of_detached_contexts)
console.log(process.constrainedMemory(), require('os').totalmem())
""",
    "much_memory": "const all = []; for (let i = 0; i < 40; i++) all.push(Buffer.alloc(1 << 20, i)); console.log(all.length)",
    "stack_depth": "let n = 0; function f() { n++; f() } try { f() } catch (e) { console.log(e.message, n > 5000) }",
    # Modules.
    "sibling": with_files("console.log(require('./other'), require.cache[require.resolve('./other')].parent === module)",
                          other_js="exports.name = __filename; exports.main = require.main.filename"),
    "sibling_json": with_files("console.log(require('./data.json').x)", data_json='{"x": [1]}'),
    "folder": with_files("console.log(require('./lib').x, require('./lib/y.js'))",
                         lib__index_js="exports.x = 1", lib__y_js="module.exports = 'y'"),
    "package_of_a_folder": with_files("console.log(require('./lib'))", lib__package_json='{"main": "m.js"}',
                                      lib__m_js="module.exports = 'm'"),
    "node_modules": with_files("console.log(require('thing'))", node_modules__thing__index_js="module.exports = 't'"),
    "package_json": with_files("console.log(typeof require, require('./package.json').name)", package_json='{"name": "n"}'),
    "package_type_module": with_files(
        "import fs from 'fs'; console.log(typeof require, import.meta.url, fs.existsSync('main.js'), await 1)",
        package_json='{"type": "module"}'),
    "package_imports": with_files("console.log(require('#x'))", package_json='{"imports": {"#x": "./x.js"}}',
                                  x_js="module.exports = 'x'"),
    "import_expression": "import('fs').then(fs => console.log(typeof fs.default.readFileSync, Object.keys(fs).length))",
    "import_sibling": with_files("import('./other.mjs').then(m => console.log(m.default, m.url))",
                                 other_mjs="export default 1; export const url = import.meta.url"),
    "import_statement": "import fs from 'fs'\nconsole.log(typeof fs.readFileSync, import.meta.url, typeof require)",
    "top_level_await": "const x = await Promise.resolve(5)\nexport {}\nconsole.log(x)",
    "missing_module": "require('nowhere')",
    "missing_file": "require('./nowhere')",
    "error_code": "try { require('nowhere') } catch (e) { console.log(e.code, e.requireStack) }",
    "create_require": "console.log(require('module').createRequire('/box/x.js').resolve('./main.js'))",
    # Errors.
    "uncaught": "function f() {\n  throw new Error('wrong')\n}\nf()",
    "uncaught_value": "throw 5",
    "uncaught_in_a_timer": "setTimeout(() => { throw new TypeError('late') }, 1)",
    "unhandled_rejection": "Promise.reject(new Error('rejected'))",
    "syntax_error": "console.log(1\n",
    "syntax_error_of_a_sibling": with_files("require('./other')", other_js="let = ="),
    "stack": "console.log(new Error('x').stack); console.trace('here')",
    "stack_of_the_caller": "Error.prepareStackTrace = (_, s) => s.map(c => [c.getFileName(), c.getLineNumber()]); console.log(new Error().stack)",
    "warning": "process.emitWarning('careful', 'MyWarning'); new Buffer(1)",
    "cause": "console.log(new Error('a', {cause: new Error('b')}))",
    "assert": "require('assert').strictEqual(1, 2)",
    "uncaught_exception_handler": "process.on('uncaughtException', e => { console.log('caught', e.message); process.exit(4) }); throw Error('x')",
    # Ends.
    "exit": "process.exit(3); console.log('never')",
    "exit_code": "process.exitCode = 7",
    "exit_handlers": """
process.on('beforeExit', code => console.log('before', code)); process.on('exit', code => { console.log('exit', code); process.exitCode = 9 })
""",
    "abort": "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10000)",
    "sigint": "process.once('SIGINT', () => { console.log('int'); process.exit(0) }); process.kill(process.pid, 'SIGINT'); setTimeout(() => {}, 10000)",
    "sigusr2": "process.on('SIGUSR2', s => { console.log(s); clearInterval(t) }); const t = setInterval(() => {}, 1000); process.kill(process.pid, 'SIGUSR2')",
    "exit_while_a_timer_waits": "setTimeout(() => console.log('never'), 60000); setImmediate(() => process.exit(0))",
    # Streams.
    "stdin_is_empty": "console.log(JSON.stringify(require('fs').readFileSync(0, 'utf8')))",
    "stdin": with_stdin("console.log(require('fs').readFileSync(0, 'utf8').split('\\n').map(Number))", "1\n2\n3\n"),
    "stdin_by_name": with_stdin("console.log(require('fs').readFileSync('/dev/stdin', 'utf8'))", "a text\n"),
    "stdin_events": with_stdin("""
let text = ''; process.stdin.setEncoding('utf8'); process.stdin.on('data', d => text += d).on('end', () => console.log(text.length))
console.log(process.stdin.constructor.name, process.stdin.isTTY, process.stdin.fd, process.stdin.readableFlowing)
""", "x" * 200_000),
    "stdin_is_not_read": with_stdin("console.log('done')", "x" * 100_000),
    "readline": with_stdin("""
const lines = require('readline').createInterface({input: process.stdin})
lines.on('line', line => console.log('<' + line + '>')).on('close', () => console.log('closed'))
""", "one\ntwo\nlast"),
    "readline_async": with_stdin("""
(async () => { for await (const line of require('readline').createInterface({input: process.stdin})) console.log(line) })()
""", "a\nb\n"),
    "readline_question": with_stdin("""
const r = require('readline').createInterface({input: process.stdin, output: process.stdout})
r.question('name? ', name => { console.log('hello ' + name); r.close() })
""", "anna\n"),
    "async_stdin": with_stdin("(async () => { let n = 0; for await (const c of process.stdin) n += c.length; console.log(n) })()", "abc"),
    "stdout_kind": """
for (const s of [process.stdout, process.stderr]) {
  console.log(s.constructor.name, s.isTTY, s.fd, s._type, s.writableHighWaterMark, s.writableLength, s._isStdio)
  console.log(s._handle && s._handle.constructor.name, s.getColorDepth, s.columns, s.destroyed, s.readable)
}
""",
    "stdout_is_written_at_once": "process.stdout.write('a'); require('fs').writeSync(1, 'b'); process.stdout.write('c\\n')",
    "much_output": "for (let i = 0; i < 20000; i++) console.log('line', i)",
    "output_then_exit": "process.stdout.write('x'.repeat(10000)); process.exit(0)",
    "both_streams": "console.error('err'); console.log('out'); console.warn('warn'); console.info('info')",
    "stdout_callback": "process.stdout.write('x', () => console.log('written'))",
    "stdout_end": "process.stdout.end?.call; try { process.stdout.end('bye') } catch (e) { console.log(e.message) }",
    "console": """
console.log({a: {b: {c: {d: 1}}}, l: [1, , 3], m: new Map([[1, {x: 2}]]), s: new Set('ab'), f() {}, g: class A {}}, Symbol('x'), 1n, null)
console.table([{a: 1, b: 2}]); console.group('g'); console.log('in'); console.groupEnd(); console.dir({x: 1}); console.count(); console.assert(false, 'no')
console.log('%s %d %i %f %j %o %%', 'a', 1, 2.5, 3.5, {}, [1])
""",
    "console_members": "console.log(Object.keys(console).join(), console._stdout === process.stdout, console.indentationWidth)",
    "binary": "process.stdout.write(Buffer.from([0, 255, 10, 128]))",
    # The event loop.
    "order": """
setTimeout(() => console.log('timeout'), 0); setImmediate(() => console.log('immediate'))
process.nextTick(() => console.log('tick')); Promise.resolve().then(() => console.log('promise')); queueMicrotask(() => console.log('microtask'))
console.log('sync')
""",
    "timers_in_order": "for (const n of [30, 10, 20, 0]) setTimeout(() => console.log(n), n)",
    "timer_is_not_early": "const t = process.hrtime.bigint(); setTimeout(() => { const d = Number(process.hrtime.bigint() - t) / 1e6; console.log(d >= 48, d < 2000) }, 50)",
    "interval": "let n = 0; const t = setInterval(() => { console.log(++n); if (n === 3) clearInterval(t) }, 2)",
    "active_resources": "console.log(process.getActiveResourcesInfo()); setTimeout(() => {}, 1); console.log(process.getActiveResourcesInfo())",
    "async_ids": "const h = require('async_hooks'); console.log(h.executionAsyncId(), h.triggerAsyncId(), new h.AsyncResource('X').asyncId())",
    "async_ids_of_a_timer": "const h = require('async_hooks'); setTimeout(() => console.log(h.executionAsyncId(), h.triggerAsyncId()), 1)",
    "listeners": "for (const n of process.eventNames()) console.log(n, process.listenerCount(n))",
    "performance": """
const a = performance.now(), b = Date.now(); console.log(Math.abs(performance.timeOrigin + performance.now() - b) < 1000, performance.now() >= a)
console.log(Math.abs(process.uptime() * 1000 - performance.now()) < 1000, performance.getEntries())
""",
    "clock": "console.log(Math.abs(Date.now() - require('fs').statSync('main.js').mtimeMs) < 20000)",
    "files": "require('fs').promises.readFile('main.js', 'utf8').then(t => console.log(t.length))",
    # Other threads and processes.
    "worker": """
const {Worker, isMainThread, parentPort, threadId} = require('worker_threads')
if (isMainThread) { const w = new Worker(__filename); w.on('message', m => console.log(m)); w.on('exit', c => console.log('exit', c)) }
else parentPort.postMessage([threadId, process.argv, __filename, require.main === module])
""",
    "worker_shared": """
const {Worker} = require('worker_threads'), s = new Int32Array(new SharedArrayBuffer(4))
new Worker('const {workerData} = require("worker_threads"); Atomics.store(workerData, 0, 42); Atomics.notify(workerData, 0)', {eval: true, workerData: s})
console.log(Atomics.wait(s, 0, 0, 10000) !== 'timed-out', s[0])
""",
    "atomics_wait": "const s = new Int32Array(new SharedArrayBuffer(4)), t = Date.now(); console.log(Atomics.wait(s, 0, 0, 50), Date.now() - t >= 45)",
    "child": "console.log(require('child_process').execFileSync('/bin/sh', ['-c', 'echo $0 $PPID; pwd; ls -l /proc/self/fd | wc -l; cat /etc/ld.so.preload; ulimit -n']).toString())",
    "child_node": "console.log(require('child_process').execFileSync(process.execPath, ['-p', 'process.argv.length + process.ppid']).toString())",
    "child_node_of_the_source": """
if (process.argv[2]) console.log('child', require.main === module)
else console.log(require('child_process').execFileSync(process.execPath, [__filename, 'x']).toString())
""",
    "child_inherits_streams": with_stdin("require('child_process').spawn('cat', {stdio: 'inherit'}).on('exit', c => console.log(c))", "through\n"),
    "fork": """
const {fork} = require('child_process')
if (process.send) { process.send({got: process.argv}); process.disconnect() } else fork(__filename, ['x']).on('message', m => console.log(m)).on('exit', c => console.log(c))
""",
    "server": """
const net = require('net'); const s = net.createServer(c => c.end('hi')).listen(0, '127.0.0.1', () => net.connect(s.address().port, '127.0.0.1').on('data', d => { console.log(d.toString()); s.close() }))
""",
    "vm": "const vm = require('vm'); console.log(vm.runInNewContext('x + 1', {x: 1}), vm.runInThisContext('typeof require'))",
    "eval": "console.log(eval('1 + 1'), new Function('return 3')(), (0, eval)('typeof module'))",
    "wasm": "console.log(WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])))",
    "crypto": "const c = require('crypto'); console.log(c.createHash('sha256').update('x').digest('hex'), c.randomBytes(8).length, c.webcrypto === globalThis.crypto)",
    "zlib": "const z = require('zlib'); console.log(z.gunzipSync(z.gzipSync('text')).toString())",
    "inspector": "console.log(require('inspector').url(), process.debugPort)",
    "report": "const r = process.report.getReport(); console.log(r.header.commandLine, r.header.cwd, r.javascriptStack.message)",
    "fetch": "fetch('http://127.0.0.1:9').catch(e => console.log(e.message, e.cause.code))",
    "dns": "require('dns').lookup('localhost', (e, a) => console.log(e, a))",
}
