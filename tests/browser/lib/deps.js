// What is not in the checkout: packages from the cache folder that scripts/setup-web-tests.sh filled.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const home = process.env.LOADHOST_WEB_PACKAGES;
if (!home) throw new Error('LOADHOST_WEB_PACKAGES is not set: run these tests by scripts/web-tests.sh');
export const { chromium } = createRequire(join(home, 'package.json'))('playwright-core');
