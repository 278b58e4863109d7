// Installs the Debian tools that some tests compare against, when this is a CI run as root on Debian; elsewhere those tests are skipped
// with the reason.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';

const TOOLS = [
  ['/usr/bin/netstat', 'net-tools'],
  ['/usr/bin/snmpwalk', 'snmp'],
  ['/usr/bin/prometheus', 'prometheus'],
  ['/usr/sbin/ip', 'iproute2'],
  ['/usr/bin/ping', 'iputils-ping'],
  ['/usr/bin/nc', 'netcat-openbsd'],
  ['/usr/bin/curl', 'curl'],
  ['/usr/sbin/radvd', 'radvd'],
  ['/usr/bin/ndisc6', 'ndisc6'],
];
const present = (file) =>
  existsSync(file) || existsSync(file.replace('/usr', '')) || existsSync(file.replace('/usr/bin', '/bin'));

if (process.env.CI === 'true' && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
  const missing = TOOLS.filter(([file]) => !present(file)).map(([, name]) => name);
  if (missing.length > 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const apt = (...args) =>
      spawnSync('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], { env, stdio: ['ignore', 'ignore', 2], timeout: 600_000 });
    process.stderr.write(`tsnetstat: installing Debian tools for tests: ${missing.join(' ')}\n`);
    apt('update');
    // a policy that keeps packages from starting their services
    for (const name of missing) apt('install', '-y', '--no-install-recommends', name);
    for (const service of ['prometheus', 'prometheus-node-exporter', 'radvd'])
      spawnSync('service', [service, 'stop'], { stdio: 'ignore' });
  }
}
