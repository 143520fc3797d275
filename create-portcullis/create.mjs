#!/usr/bin/env node
// npm create portcullis: the same as `portcullis init`, for those who have no folder yet.
import { create } from 'portcullis/init';

await create(process.argv.slice(2));
