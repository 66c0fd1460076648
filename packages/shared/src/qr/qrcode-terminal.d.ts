/** The part of qrcode-terminal's QR model that Postern uses; the package brings no types. */
declare module "qrcode-terminal/vendor/QRCode/index.js" {
  interface QrModel {
    addData(latin1: string): void;
    make(): void;
    getModuleCount(): number;
    isDark(row: number, column: number): boolean;
  }
  const QrModel: new (typeNumber: number, errorCorrection: number) => QrModel;
  export = QrModel;
}

declare module "qrcode-terminal/vendor/QRCode/QRErrorCorrectLevel.js" {
  const errorCorrection: { readonly L: number };
  export = errorCorrection;
}
