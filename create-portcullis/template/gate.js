// The gate and its Durable Objects, as the package has them.
export * from 'portcullis/worker';
export { default } from 'portcullis/worker';
