export const chromium = () => undefined;
